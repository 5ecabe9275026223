import type { Command } from 'commander'
import pc from 'picocolors'
import { memberText } from '../../lib/json/json-text.ts'
import { positive } from '../input/inputs.ts'
import { parseTask, placeText } from '../input/places.ts'
import { bodyText, contentOf } from '../input/task-fields.ts'
import { type Session, withSession } from '../session.ts'
import { moment, safe, table } from '../show/output.ts'

const mostAtOnce = 100

/** Versions of a task: `jetty tasks history` and `restore`. */
export const registerHistory = (tasks: Command): void => {
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

const restore = async ({ call, client, out }: Session, [given, ref]: [string, string]): Promise<void> => {
  const params = parseTask(given)
  const found = (await call('getTaskVersion', { params: { ...params, ref }, asText: true })) as string
  const { index } = JSON.parse(found) as { index: number }
  const newest = async () => (await client.listTaskVersions({ params, query: { limit: 1 } })).versions[0]?.index
  const before = await newest()
  const body = bodyText(contentOf(memberText(found, 'data') ?? '{}'))
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
