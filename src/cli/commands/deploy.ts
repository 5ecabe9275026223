import { existsSync, writeFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import pc from 'picocolors'
import { AppError } from '../../lib/errors.ts'
import { memberText } from '../../lib/json/json-text.ts'
import type { Warning } from '../../model/warning.ts'
import type { WorkflowFault, WorkflowVerdict } from '../../model/workflows/workflow-fault.ts'
import { exitCodes } from '../exit.ts'
import { unwritableFile } from '../input/file-problems.ts'
import { parseTask, placeText, type TaskPlace } from '../input/places.ts'
import {
  bodyText,
  documentText,
  fieldsOf,
  readTaskFile,
  type TaskFile,
  type TaskMembers,
} from '../input/task-fields.ts'
import type { TextPlace } from '../input/yaml-document.ts'
import { type Session, withSession } from '../session.ts'
import { cliWords } from '../show/cli-words.ts'
import { safe, shownJson } from '../show/output.ts'
import { paintDiff, textDiff } from '../show/text-diff.ts'

/** A fault and its position in the file. */
type PlacedFault = WorkflowFault & TextPlace

/** Formats a fault in the form that editors recognize: `file:line:column: severity: message`. */
const faultLine = (file: string, fault: PlacedFault): string => {
  const { line, column, severity, message, did_you_mean: meant } = fault
  const instead = meant === null || message.includes(meant) ? '' : `; did you mean '${meant}'?`
  const paint = severity === 'error' ? pc.red : pc.yellow
  return `${safe(file)}:${line}:${column}: ${paint(`${severity}:`)} ${safe(message + instead)}`
}

/** Formats faults line by line. What to do about an error follows it, once, unless its line names what was meant. */
const faultLines = (file: string, faults: readonly PlacedFault[]): string[] => {
  const told = new Set<string>()
  return faults.flatMap((fault) => {
    const hint = fault.severity === 'error' && fault.did_you_mean === null ? cliWords(fault.hint ?? '') : ''
    const isNew = hint !== '' && !told.has(hint)
    told.add(hint)
    return [faultLine(file, fault), ...(isNew ? [`  ${safe(hint)}`] : [])]
  })
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`

/** Counts faults by severity, such as `2 errors, 1 warning`. */
const faultCount = (faults: readonly WorkflowFault[]): string => {
  const errors = faults.filter(({ severity }) => severity === 'error').length
  const parts = [counted(errors, 'error'), counted(faults.length - errors, 'warning')]
  return parts.filter((part) => !part.startsWith('0 ')).join(', ')
}

export const fileMeaning = `The file is JSON or YAML: a workflow, or an object with the member workflow beside description, version,
has_file_uploads, is_private and so on. - is stdin.`

const faultMeaning = `Faults are listed with line and column: missing parameters, unknown outputs and child tasks,
values that an activity refuses, misspelt names.`

/** Tasks as files: `jetty tasks deploy`, `validate` and `pull`. */
export const registerDeploy = (tasks: Command): void => {
  tasks
    .command('deploy <file> <collection/task>')
    .description('Create a task from a file, or update it to match the file')
    .option('-d, --description <text>', 'purpose of the task')
    .addOption(new Option('--public', 'anyone may read the task, without a token').conflicts('private'))
    .addOption(new Option('--private', 'only keys of the collection may read it (new tasks are private)'))
    .option('--dry-run', 'show the changes without deploying them')
    .addOption(new Option('--strict', 'do not deploy a workflow that has warnings either').conflicts('force'))
    .option('--force', 'deploy a workflow although it has errors')
    .addHelpText(
      'after',
      `
${fileMeaning} Fields that it does not name stay unchanged.

${faultMeaning}
A workflow with errors is not deployed, and the exit code is 1.

Examples:
  jetty tasks deploy hello.json demo/hello
  jetty tasks deploy hello.json demo/hello --dry-run
  jetty tasks deploy hello.yaml demo/hello --strict
  jetty tasks deploy report.json acme/report -d "Writes the weekly report"
  jq .workflow task.json | jetty tasks deploy - acme/report`,
    )
    .action(withSession<DeployOptions, [string, string]>(deploy))
  tasks
    .command('validate <file> [collection]')
    .description('Check a workflow for faults; changes nothing')
    .option('--strict', 'warnings count as errors')
    .addHelpText(
      'after',
      `
${fileMeaning}

${faultMeaning}
Child tasks are looked up in the collection; without one, in the first collection of the token.

The exit code is 0 if the workflow has no error, else 1.

Examples:
  jetty tasks validate hello.json
  jetty tasks validate report.yaml acme --strict
  jetty tasks validate hello.json --json | jq .faults`,
    )
    .action(withSession<{ strict?: boolean }, [string, string | undefined]>(validate))
  tasks
    .command('pull <collection/task> [file]')
    .description('Write the workflow of a task to a file, or to stdout')
    .option('--force', 'overwrite an existing file')
    .addHelpText(
      'after',
      '\nExamples:\n  jetty tasks pull demo/hello hello.json\n  jetty tasks pull demo/hello | jq .steps',
    )
    .action(withSession<{ force?: boolean }, [string, string | undefined]>(pull))
}

interface DeployOptions {
  description?: string
  public?: boolean
  private?: boolean
  dryRun?: boolean
  strict?: boolean
  force?: boolean
}

/** Text of the task on the server; undefined when there is none of that name. */
const findTaskText = async ({ call }: Session, place: TaskPlace): Promise<string | undefined> => {
  try {
    return (await call('getTask', { params: { ...place }, asText: true })) as string
  } catch (error) {
    if (error instanceof AppError && error.code === 'not_found') return undefined
    throw error
  }
}

const diffOf = (file: string, wanted: TaskMembers, place: TaskPlace, stored: string | undefined): Promise<string> =>
  textDiff(
    {
      name: stored === undefined ? '/dev/null' : placeText(place),
      text: stored === undefined ? '' : documentText(fieldsOf(stored, wanted.keys())),
    },
    { name: file === '-' ? 'stdin' : file, text: documentText(wanted) },
  )

const isSame = (wanted: TaskMembers, stored: string): boolean =>
  bodyText(fieldsOf(stored, wanted.keys())) === bodyText(wanted)

const wantedFields = (
  fields: TaskMembers,
  { description, public: shown, private: hidden }: DeployOptions,
): TaskMembers => {
  const all = new Map(fields)
  if (description !== undefined) all.set('description', JSON.stringify(description))
  if (shown || hidden) all.set('is_private', String(hidden === true))
  return all
}

const deploy = async (session: Session, [file, given]: [string, string], options: DeployOptions): Promise<void> => {
  const { client, out } = session
  const place = parseTask(given)
  const read = await readTaskFile(file)
  const { fields, name } = read
  if (name !== undefined && name !== place.task) {
    out.note(pc.dim(`The file names the task ${safe(name)}; it is deployed as ${placeText(place)}.`))
  }
  const wanted = wantedFields(fields, options)
  const task = placeText(place)
  const faults = await findFaults(session, read, place)
  for (const line of faultLines(read.label, faults)) out.note(line)
  const isRefused = options.strict ? faults.length > 0 : !options.force && !isFree(faults)
  if (isRefused) {
    process.exitCode = exitCodes.failed
    out.note(`${pc.red('jetty:')} Nothing was deployed: ${safe(read.label)} has ${faultCount(faults)}`)
    out.note(`  ${refusalHint(options)}`)
    if (!options.dryRun) {
      out.answer({ task, outcome: 'refused', warnings: faults }, () => '')
      return
    }
  }
  if (options.dryRun) {
    const stored = await findTaskText(session, place)
    const outcome = outcomeOf(wanted, stored)
    if (stored === undefined) await client.getCollection({ params: place })
    const changes = await diffOf(file, wanted, place, stored)
    const would = isRefused ? 'refused' : outcome
    out.answer({ task, outcome: would, dry_run: true, diff: changes, warnings: faults }, () => paintDiff(changes))
    out.note(
      outcome === 'unchanged' ? `${task} already matches the file.` : `${task} would be ${would}; nothing was changed.`,
    )
    return
  }
  const { outcome } = await deployTask(session, place, wanted)
  out.answer({ task, outcome, warnings: faults }, () => `${outcome} ${task}`)
}

/** Whether a run could reach its end: no fault is an error. */
const isFree = (faults: readonly PlacedFault[]): boolean => faults.every(({ severity }) => severity === 'warning')

const refusalHint = ({ strict }: DeployOptions): string =>
  strict
    ? 'Correct the lines above, or deploy without --strict.'
    : 'Correct the errors above, and deploy tasks that it starts before it. --force deploys it as it is.'

/** Asks the server for faults in a workflow file, and finds their positions. */
const findFaults = async (
  { call }: Session,
  { fields, find }: TaskFile,
  { collection, task }: { collection: string; task?: string },
): Promise<PlacedFault[]> => {
  const workflow = fields.get('workflow')
  if (workflow === undefined) return []
  const body = new Map([
    ['workflow', workflow],
    ...(task === undefined ? [] : [['name', JSON.stringify(task)] as const]),
  ])
  const { faults } = (await call('validateWorkflow', {
    params: { collection },
    bodyText: bodyText(body),
  })) as WorkflowVerdict
  const placed = faults.map((fault) => ({ ...fault, ...find(fault.field) }))
  return placed.sort((left, right) => left.line - right.line || left.column - right.column)
}

const validate = async (
  session: Session,
  [file, given]: [string, string | undefined],
  { strict }: { strict?: boolean },
): Promise<void> => {
  const read = await readTaskFile(file)
  const faults = await findFaults(session, read, { collection: given ?? (await firstCollection(session)) })
  const isValid = strict ? faults.length === 0 : isFree(faults)
  session.out.answer({ file: read.label, valid: isValid, faults }, () =>
    [...faultLines(read.label, faults), `${read.label}: ${faultCount(faults) || 'no faults'}`].join('\n'),
  )
  if (!isValid) process.exitCode = exitCodes.failed
}

const firstCollection = async ({ client }: Session): Promise<string> => {
  const [first] = await client.listCollections({ query: { limit: 1 } })
  if (first) return first.name
  throw new AppError('invalid', 'The token covers no collection, so child tasks cannot be looked up', {
    hint: 'Create one: jetty collections create <name>',
  })
}

type DeployOutcome = 'created' | 'updated' | 'unchanged'

const outcomeOf = (wanted: TaskMembers, stored: string | undefined): DeployOutcome =>
  stored === undefined ? 'created' : isSame(wanted, stored) ? 'unchanged' : 'updated'

interface Deployed {
  outcome: DeployOutcome
  warnings: Warning[]
}

/** Creates or updates a task from these fields. */
export const deployTask = async (session: Session, place: TaskPlace, wanted: TaskMembers): Promise<Deployed> => {
  const stored = await findTaskText(session, place)
  const outcome = outcomeOf(wanted, stored)
  const { warnings = [] } = outcome === 'unchanged' ? {} : await send(session, place, wanted, stored !== undefined)
  return { outcome, warnings }
}

export const tellDeployed = ({ out }: Session, place: TaskPlace, { outcome, warnings }: Deployed): void => {
  for (const warning of warnings) out.note(`${pc.yellow('warning:')} ${safe(warning.message)}`)
  const task = placeText(place)
  out.answer({ task, outcome, warnings }, () => `${outcome} ${task}`)
}

/** Updates the task, or creates it when there is none. */
const send = async ({ call }: Session, place: TaskPlace, wanted: TaskMembers, isThere: boolean) => {
  const withName: TaskMembers = new Map([['name', JSON.stringify(place.task)], ...wanted])
  const input = { params: { ...place }, bodyText: bodyText(isThere ? wanted : withName) }
  return (await call(isThere ? 'updateTask' : 'createTask', input)) as { warnings?: Warning[] }
}

/** Shows what deploying a file would change. */
export const diffFile = async (session: Session, file: string, given: string): Promise<void> => {
  const place = parseTask(given)
  const { fields } = await readTaskFile(file)
  const stored = (await session.call('getTask', { params: { ...place }, asText: true })) as string
  const changes = isSame(fields, stored) ? '' : await diffOf(file, fields, place, stored)
  session.out.answer({ task: placeText(place), same: changes === '', diff: changes }, () => paintDiff(changes))
  if (changes !== '') process.exitCode = exitCodes.failed
}

const pull = async (
  session: Session,
  [given, file = '-']: [string, string | undefined],
  { force }: { force?: boolean },
): Promise<void> => {
  const place = parseTask(given)
  if (file !== '-' && !force && existsSync(file)) throw fileExists(file)
  const stored = (await session.call('getTask', { params: { ...place }, asText: true })) as string
  const text = `${shownJson(memberText(stored, 'workflow') ?? '{}')}\n`
  if (file === '-') return session.out.print(text)
  writeNew(file, text, force ?? false)
  session.out.answer({ task: placeText(place), path: file }, () => file)
}

const fileExists = (path: string): AppError =>
  new AppError('invalid', `${path} already exists`, { hint: 'Name another file, or overwrite it with --force.' })

const writeNew = (path: string, text: string, isForced: boolean): void => {
  try {
    writeFileSync(path, text, { flag: isForced ? 'w' : 'wx' })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') throw fileExists(path)
    throw unwritableFile(path, error)
  }
}
