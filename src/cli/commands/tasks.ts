import type { Command } from 'commander'
import pc from 'picocolors'
import { memberText } from '../../lib/json/json-text.ts'
import { prettyJson } from '../../lib/json/pretty-json.ts'
import type { TaskVersion } from '../../model/workflows/task-version.ts'
import { allPages } from '../all-pages.ts'
import { exitCodes } from '../exit.ts'
import { confirm } from '../input/ask.ts'
import { positive } from '../input/inputs.ts'
import { parseTask, placeText, type TaskPlace } from '../input/places.ts'
import { bodyText, contentOf } from '../input/task-fields.ts'
import { type Session, withSession } from '../session.ts'
import { fields, moment, safe, shownJson, table } from '../show/output.ts'
import { paintDiff, textDiff } from '../show/text-diff.ts'
import { diffFile, fileMeaning, registerDeploy } from './deploy.ts'

const mostAtOnce = 100

/** Versions of a task: `jetty tasks history`, `diff`, `restore`, `tag` and `untag`. */
const registerHistory = (tasks: Command): void => {
  tasks
    .command('history <collection/task>')
    .description('List the versions of a task, newest first')
    .option('-n, --limit <n>', 'maximum number to list', positive, 20)
    .addHelpText(
      'after',
      '\nExamples:\n  jetty tasks history demo/hello\n  jetty tasks history demo/hello -n 100 --json',
    )
    .action(withSession<{ limit: number }, [string]>(history))
  tasks
    .command('diff <file|collection/task> <collection/task|version> [other-version]')
    .description('Show what deploying a file would change, or what differs between two versions')
    .addHelpText(
      'after',
      `
${fileMeaning} Only fields that it names are compared.
A version is 12 or ~12, ~-1 (the newest), a tag, or a content hash.

The exit codes are those of diff(1): 0 no difference · 1 differences · 2 or more an error.

Examples:
  jetty tasks diff hello.json demo/hello
  jetty tasks diff hello.json demo/hello > /dev/null || echo "not deployed yet"
  jetty tasks diff demo/hello production ~-1`,
    )
    .action(
      withSession<object, [string, string, string | undefined]>((session, [first, second, third]) =>
        third === undefined ? diffFile(session, first, second) : diffVersions(session, first, [second, third]),
      ),
    )
  tasks
    .command('restore <collection/task> <version>')
    .description('Restore an older version of a task as its newest')
    .addHelpText(
      'after',
      `
A version is ~0 (the oldest), ~1 and so on, ~-1 (the newest), ~-2 and so on, its hash, or its tag, as \`history\` lists
them. The current version stays in the history, and the task keeps its name.

Examples:
  jetty tasks restore demo/hello ~-2
  jetty tasks restore demo/hello v1.2`,
    )
    .action(withSession<object, [string, string]>(restore))
  tasks
    .command('tag <collection/task> <tag>')
    .description('Give a version of a task a name; a tag that exists moves')
    .option('--at <version>', 'version: 12, ~-1, a tag or a content hash (default: the newest)')
    .addHelpText(
      'after',
      `
A run, a rerun and \`restore\` take the tag for the version: jetty run demo/hello@production.

Examples:
  jetty tasks tag demo/hello production
  jetty tasks tag demo/hello production --at 3`,
    )
    .action(withSession<{ at?: string }, [string, string]>(tag))
  tasks
    .command('untag <collection/task> <tag>')
    .description('Remove a tag; its version stays')
    .addHelpText('after', '\nExamples:\n  jetty tasks untag demo/hello production')
    .action(withSession<object, [string, string]>(untag))
}

/** A version with its content as text, as it was stored. */
const readVersion = async ({ call }: Session, params: TaskPlace, ref: string) => {
  const text = (await call('getTaskVersion', { params: { ...params, ref }, asText: true })) as string
  return { ...(JSON.parse(text) as TaskVersion), text: memberText(text, 'data') ?? '{}' }
}

const diffVersions = async (session: Session, place: string, [first, second]: [string, string]): Promise<void> => {
  const { out } = session
  const params = parseTask(place)
  const left = await readVersion(session, params, first)
  const right = await readVersion(session, params, second)
  const named = ({ index, tags, text }: typeof left) => ({
    name: `${placeText(params)}@~${index}${tags.length > 0 ? ` (${tags.join(', ')})` : ''}`,
    text: `${prettyJson(text)}\n`,
  })
  const changes = await textDiff(named(left), named(right))
  const shown = ({ text: _, ...version }: typeof left) => version
  out.answer({ same: changes === '', left: shown(left), right: shown(right), diff: changes }, () => paintDiff(changes))
  if (changes !== '') process.exitCode = exitCodes.failed
}

const tag = async (
  { client, out }: Session,
  [place, name]: [string, string],
  { at }: { at?: string },
): Promise<void> => {
  const params = { ...parseTask(place), tag: name }
  const answer = await client.setTaskTag({ params, body: at === undefined ? {} : { version: at } })
  out.answer(answer, () => `${answer.tag} is version ~${answer.version}`)
}

const untag = async ({ client, out }: Session, [place, name]: [string, string]): Promise<void> => {
  const answer = await client.deleteTaskTag({ params: { ...parseTask(place), tag: name } })
  out.answer(answer, () => answer.message)
}

const history = async ({ client, out }: Session, [given]: [string], options: { limit: number }): Promise<void> => {
  const params = parseTask(given)
  const read = (skip: number) =>
    client.listTaskVersions({ params, query: { skip, limit: Math.min(options.limit - skip, mostAtOnce) } })
  const answer = await read(0)
  const versions = [...answer.versions]
  while (versions.length < Math.min(options.limit, answer.total_versions)) {
    const page = await read(versions.length)
    if (page.versions.length === 0) break
    versions.push(...page.versions)
  }
  out.answer({ ...answer, versions }, () =>
    table(
      ['VERSION', 'CREATED', 'CHANGE', 'TAGS', 'HASH'],
      versions.map((version) => [
        `~${version.index}`,
        moment(version.created_at),
        version.operation_type,
        version.tags.join(' ') || '-',
        version.content_hash,
      ]),
    ),
  )
  const left = answer.total_versions - versions.length
  if (left > 0) out.note(pc.dim(`${left} older versions; show more with -n.`))
}

const restore = async (session: Session, [given, ref]: [string, string]): Promise<void> => {
  const { call, client, out } = session
  const params = parseTask(given)
  const { index, text } = await readVersion(session, params, ref)
  const newest = async () => (await client.listTaskVersions({ params, query: { limit: 1 } })).versions[0]?.index
  const before = await newest()
  const body = bodyText(contentOf(text))
  const { warnings = [] } = (await call('updateTask', { params: { ...params }, bodyText: body })) as {
    warnings?: string[]
  }
  const after = await newest()
  for (const warning of warnings) out.note(`${pc.yellow('warning:')} ${safe(warning)}`)
  out.answer({ task: placeText(params), restored: index, version: after, changed: after !== before, warnings }, () =>
    after === before
      ? `${placeText(params)} already matches version ~${index}`
      : `${placeText(params)} is now ~${after}, the same as ~${index}`,
  )
}

/** `jetty tasks …`. */
export const registerTasks = (program: Command): void => {
  const tasks = program
    .command('tasks')
    .description('Manage tasks: list them, deploy them from files, tag and restore versions')
  tasks
    .command('ls <collection>')
    .description('List the tasks of a collection, oldest first')
    .addHelpText('after', '\nExamples:\n  jetty tasks ls demo\n  jetty tasks ls demo --json | jq -r .[].name')
    .action(withSession<object, [string]>(list))
  tasks
    .command('get <collection/task>')
    .description('Show the steps of a task, or with --json all of its fields')
    .option('--workflow', 'show only the workflow, as it is stored')
    .addHelpText(
      'after',
      '\nExamples:\n  jetty tasks get demo/hello\n  jetty tasks get demo/hello --workflow > hello.json',
    )
    .action(withSession<{ workflow?: boolean }, [string]>(show))
  registerDeploy(tasks)
  tasks
    .command('search <text> [collection]')
    .description('Find tasks by name, description or content of their workflow')
    .option('-n, --limit <n>', 'maximum number to list, up to 100', positive, 30)
    .addHelpText('after', '\nExamples:\n  jetty tasks search summary\n  jetty tasks search text_template demo')
    .action(withSession<{ limit: number }, [string, string | undefined]>(search))
  registerHistory(tasks)
  tasks
    .command('rm <collection/task>')
    .description('Delete a task with its versions; its runs and their files stay')
    .option('-y, --yes', 'do not ask for confirmation')
    .addHelpText('after', '\nExamples:\n  jetty tasks rm demo/hello\n  jetty tasks rm demo/hello --yes')
    .action(withSession<{ yes?: boolean }, [string]>(remove))
}

const list = async ({ client, out }: Session, [collection]: [string]): Promise<void> => {
  const tasks = await allPages(500, (query) => client.listTasks({ params: { collection }, query }))
  out.answer(tasks, () =>
    tasks.length === 0
      ? ''
      : table(
          ['TASK', 'STEPS', 'UPDATED', 'DESCRIPTION'],
          tasks.map((task) => [
            `${task.collection_name}/${task.name}`,
            Array.isArray(task.workflow.steps) ? task.workflow.steps.length : 0,
            moment(task.updated_at),
            task.description || '-',
          ]),
        ),
  )
  if (tasks.length === 0)
    out.note(`No tasks in ${collection} yet. Add one with: jetty tasks deploy <file> ${collection}/<name>`)
}

interface ShownTask {
  collection_name: string
  name: string
  description: string | null
  version: string | null
  is_private: boolean | null
  updated_at: string | null
  workflow: { init_params?: object; step_configs?: Record<string, { activity?: unknown }>; steps?: unknown[] }
}

const show = async ({ call, out }: Session, [place]: [string], options: { workflow?: boolean }): Promise<void> => {
  const text = (await call('getTask', { params: { ...parseTask(place) }, asText: true })) as string
  if (options.workflow) return out.print(shownJson(memberText(text, 'workflow') ?? '{}'))
  out.print(out.isJson ? shownJson(text) : overview(JSON.parse(text)))
}

const overview = (task: ShownTask): string => {
  const { init_params: params = {}, step_configs: configs = {}, steps = [] } = task.workflow
  const head = fields([
    ['task', `${task.collection_name}/${task.name}`],
    ...(task.description ? ([['description', task.description]] as [string, string][]) : []),
    ...(task.version ? ([['version', task.version]] as [string, string][]) : []),
    ['readable by', task.is_private === false ? 'everybody' : 'keys of the collection'],
    ['updated', moment(task.updated_at)],
  ])
  const parameters = table(
    ['PARAMETER', 'DEFAULT'],
    Object.entries(params).map(([name, value]) => [name, JSON.stringify(value)]),
  )
  const order = table(
    ['STEP', 'ACTIVITY'],
    steps.map((step) => [String(step), String(configs[String(step)]?.activity ?? '-')]),
  )
  const parts = [head, Object.keys(params).length > 0 ? parameters : '', steps.length > 0 ? order : '']
  return parts.filter((part) => part !== '').join('\n\n')
}

const search = async (
  { client, out }: Session,
  [text, collection]: [string, string | undefined],
  options: { limit: number },
): Promise<void> => {
  const query = { q: text, limit: options.limit }
  const found =
    collection === undefined
      ? await client.searchAllTasks({ query })
      : await client.searchTasks({ params: { collection }, query })
  out.answer(found, () =>
    found.tasks.length === 0
      ? ''
      : table(
          ['TASK', 'DESCRIPTION'],
          found.tasks.map((task) => [`${task.collection_name}/${task.name}`, task.description || '-']),
        ),
  )
  if (found.tasks.length === 0) out.note(`No task matches ${JSON.stringify(safe(text))}.`)
  else if (found.found > found.tasks.length) out.note(`${found.found} match; show more with -n.`)
}

const remove = async ({ client, out }: Session, [place]: [string], options: { yes?: boolean }): Promise<void> => {
  const params = parseTask(place)
  await client.getTask({ params }) // fails before the question if the task does not exist
  await confirm(`This deletes the task ${placeText(params)} with its versions.`, options.yes)
  const answer = await client.deleteTask({ params })
  out.answer(answer, () => `Deleted ${placeText(params)}`)
}
