import { type Command, InvalidArgumentError } from 'commander'
import pc from 'picocolors'
import { byteSize, parsedBytes } from '../../lib/settings/byte-size.ts'
import type { RetentionTrial } from '../../model/collections/retention-preview.ts'
import { allPages } from '../all-pages.ts'
import { confirm, confirmByName } from '../input/ask.ts'
import { type Session, withSession } from '../session.ts'
import { fields, moment, quantity, table } from '../show/output.ts'

/** Options of `jetty collections retention`; null removes a limit. */
export interface RetentionOptions {
  task?: string
  days?: number | null
  runs?: number | null
  bytes?: number | null
  keepLabel?: string[]
  labelDays?: [label: string, days: number | null][]
}

/** Parses a whole number, or `none`. */
export const numberOrNone = (text: string): number | null => {
  if (text === 'none') return null
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('Expected a whole number of at least 1, or none.')
  return Number(text)
}

/** Parses a size such as `10GiB`, or `none`. */
const bytesOrNone = (text: string): number | null => {
  if (text === 'none') return null
  const bytes = parsedBytes(text)
  if (bytes === undefined) throw new InvalidArgumentError('Expected a size such as 500MiB or 10GiB, or none.')
  return bytes
}

/** Parses `label=days`; repeatable. */
export const labelWithDays = (text: string, before: [string, number | null][] = []): [string, number | null][] => {
  const at = text.lastIndexOf('=')
  if (at < 1) throw new InvalidArgumentError('Expected a label and days, such as env:test=1.')
  return [...before, [text.slice(0, at), numberOrNone(text.slice(at + 1))]]
}

/** The change of the settings that the options ask for; undefined: none. */
export const retentionChange = (options: RetentionOptions): RetentionTrial | undefined => {
  const { task, days, runs, bytes, keepLabel, labelDays } = options
  const limits = { ...(runs !== undefined && { runs }), ...(bytes !== undefined && { bytes }) }
  const ofTask = task === undefined ? undefined : { ...(days !== undefined && { days }), ...limits }
  const labels = labelDays?.map(([label, count]) => [label, count === null ? null : { days: count }] as const)
  const retention = {
    ...(ofTask ? Object.keys(ofTask).length > 0 && { tasks: { [task as string]: ofTask } } : limits),
    ...(keepLabel && { keep_labels: keepLabel.includes('none') ? null : keepLabel }),
    ...(labels && { labels: Object.fromEntries(labels) }),
  }
  const change: RetentionTrial = {
    ...(task === undefined && days !== undefined && { retention_days: days }),
    ...(Object.keys(retention).length > 0 && { retention }),
  }
  return Object.keys(change).length > 0 ? change : undefined
}

interface RetentionCommandOptions extends RetentionOptions {
  dryRun?: boolean
  yes?: boolean
}

/** `jetty collections retention`. */
const registerRetention = (collections: Command): void => {
  collections
    .command('retention <collection>')
    .description('Show or change which runs are deleted by themselves, and what that deletes now')
    .option('--days <n>', 'delete runs so many days after their end', numberOrNone)
    .option('--runs <n>', 'keep the newest runs of each task', numberOrNone)
    .option('--bytes <size>', 'keep the newest runs of each task that fit into this size', bytesOrNone)
    .option('--task <task>', 'let --days, --runs and --bytes apply to this task alone')
    .option('--keep-label <label...>', 'never delete runs with these labels: key or key:value')
    .option('--label-days <label=days>', 'delete runs with a label after fewer days; repeatable', labelWithDays)
    .option('--dry-run', 'only show what would be deleted')
    .option('-y, --yes', 'do not ask for confirmation')
    .addHelpText(
      'after',
      `
Without options it shows the settings. The word none removes a limit. Runs are deleted with their steps, labels and
files, in small batches, within a quarter of an hour.

Examples:
  jetty collections retention acme
  jetty collections retention acme --days 90 --keep-label golden --dry-run
  jetty collections retention acme --task nightly --runs 100 --yes
  jetty collections retention acme --label-days env:test=1 --bytes none`,
    )
    .action(withSession<RetentionCommandOptions, [string]>(retention))
}

type Preview = Awaited<ReturnType<Session['client']['previewRetention']>>

const retention = async (
  { client, out }: Session,
  [collection]: [string],
  options: RetentionCommandOptions,
): Promise<void> => {
  const params = { collection }
  const change = retentionChange(options)
  const preview = await client.previewRetention({ params, body: change ?? {} })
  if (change && !options.dryRun) {
    if (preview.runs > 0) await confirm(`${sentence(preview)} This cannot be taken back.`, options.yes)
    await client.updateCollectionSettings({ params, body: change })
  }
  const { retention_days, retention: rules } = await client.getCollectionSettings({ params })
  out.answer({ retention_days, retention: rules, is_dry_run: options.dryRun ?? false, deletes: preview }, () =>
    [
      `${options.dryRun && change ? 'Unchanged settings' : 'Settings'}: ${JSON.stringify({ retention_days, retention: rules })}`,
      sentence(preview),
      ...(preview.tasks.length > 0 ? [tasksTable(preview)] : []),
    ].join('\n'),
  )
}

const sentence = ({ runs, bytes, is_complete }: Preview): string =>
  runs === 0
    ? 'No run is deleted now.'
    : `${is_complete ? '' : 'More than '}${quantity(runs, 'run')} (${byteSize(bytes)}) would be deleted now.`

const tasksTable = ({ tasks }: Preview): string =>
  table(
    ['TASK', 'RUNS', 'SIZE', 'TOO OLD', 'TOO MANY', 'TOO LARGE', 'BY LABEL', 'OLDEST', 'NEWEST'],
    tasks.map((one) => [
      ...[one.task, one.runs, byteSize(one.bytes), one.by_days, one.by_runs, one.by_bytes, one.by_label],
      ...[moment(one.oldest), moment(one.newest)],
    ]),
  )

/** `jetty collections …`. */
export const registerCollections = (program: Command): void => {
  const collections = program
    .command('collections')
    .description('Manage collections: each has its tasks, secrets and keys')
  collections
    .command('ls')
    .description('List the collections that the token covers, oldest first')
    .addHelpText('after', '\nExamples:\n  jetty collections ls\n  jetty collections ls --json | jq -r .[].name')
    .action(withSession(list))
  collections
    .command('get <collection>')
    .description('Show a collection, with the names of its secrets')
    .addHelpText('after', '\nExamples:\n  jetty collections get demo')
    .action(withSession<object, [string]>(show))
  collections
    .command('usage <collection>')
    .description('Show how much a collection stores and has spent today, and its quota')
    .addHelpText(
      'after',
      '\nExamples:\n  jetty collections usage demo\n  jetty collections usage demo --json | jq .stored_bytes',
    )
    .action(withSession<object, [string]>(usage))
  collections
    .command('create <name>')
    .description('Create a collection, and add it to the key you use')
    .option('-d, --description <text>', 'purpose of the collection')
    .addHelpText('after', '\nExamples:\n  jetty collections create acme -d "Reports of the sales team"')
    .action(withSession<{ description?: string }, [string]>(create))
  collections
    .command('rm <collection>')
    .description('Delete a collection and everything in it: tasks, runs, files, secrets (admin token)')
    .option('-y, --yes', 'do not ask for confirmation')
    .addHelpText(
      'after',
      '\nExamples:\n  jetty collections rm acme\n  jetty collections rm acme --yes --token-file ~/.jetty/admin-token',
    )
    .action(withSession<{ yes?: boolean }, [string]>(remove))
  collections
    .command('pause <collection>')
    .description('Stop the work of a collection: running steps end, accepted runs wait, new runs and calls are refused')
    .option('-r, --reason <text>', 'shown to everybody whose work is refused')
    .addHelpText(
      'after',
      `
Nothing is lost: runs wait before their next step, and routines before their next run, until the collection is resumed.
A pause with the admin token is a pause of the operator: keys cannot end it.

Examples:
  jetty collections pause acme --reason "The invoices are wrong, Ada looks into it"
  jetty collections resume acme`,
    )
    .action(withSession<{ reason?: string }, [string]>(pause))
  collections
    .command('resume <collection>')
    .description('End the pause of a collection: its runs go on')
    .addHelpText('after', '\nExamples:\n  jetty collections resume acme')
    .action(withSession<object, [string]>(resume))
  registerRetention(collections)
}

const list = async ({ client, out }: Session): Promise<void> => {
  const rows = await allPages(500, (query) => client.listCollections({ query }))
  out.answer(rows, () =>
    rows.length === 0
      ? ''
      : table(
          ['COLLECTION', 'CREATED', 'DESCRIPTION'],
          rows.map((row) => [row.name, moment(row.created_at), row.description || '-']),
        ),
  )
  if (rows.length === 0) out.note('No collections yet. Create one with: jetty collections create <name>')
}

const show = async ({ client, out }: Session, [collection]: [string]): Promise<void> => {
  const [found, { paused, pauses }] = await Promise.all([
    client.getCollection({ params: { collection } }),
    client.getCollectionPauses({ params: { collection } }),
  ])
  out.answer({ ...found, paused, pauses }, () =>
    fields([
      ['collection', found.name],
      ['description', found.description || '-'],
      ['owner', found.owner_identifier || '-'],
      ['created', moment(found.created_at)],
      ['secrets', Object.keys(found.environment_variables).join(', ') || 'none'],
      ...(paused ? [['paused', pauses.map(pauseText).join('\n')] as [string, string]] : []),
    ]),
  )
}

type Pause = Awaited<ReturnType<Session['client']['getCollectionPauses']>>['pauses'][number]

const pauseText = ({ by, author, reason, at }: Pause): string =>
  `by ${by === 'operator' ? 'the operator' : author}, ${moment(at)}${reason ? `: ${reason}` : ''}`

const pause = async (
  { client, out }: Session,
  [collection]: [string],
  { reason }: { reason?: string },
): Promise<void> => {
  const found = await client.pauseCollection({ params: { collection }, body: reason === undefined ? {} : { reason } })
  out.answer(found, () => `Paused ${collection}`)
  out.note(pc.dim(`Steps under way end, and accepted runs wait. Go on with: jetty collections resume ${collection}`))
}

const resume = async ({ client, out }: Session, [collection]: [string]): Promise<void> => {
  const found = await client.resumeCollection({ params: { collection } })
  out.answer(found, () =>
    found.paused
      ? `${collection} is still paused ${found.pauses.map(pauseText).join(', and ')}`
      : `Resumed ${collection}`,
  )
}

const usage = async ({ client, out }: Session, [collection]: [string]): Promise<void> => {
  const found = await client.getCollectionUsage({ params: { collection } })
  out.answer(found, () =>
    fields([
      ['runs', `${found.runs} of ${found.quota.runs}`],
      ['stored', `${byteSize(found.stored_bytes)} of ${byteSize(found.quota.stored_bytes)}`],
      ['in the database', byteSize(found.database_bytes)],
      ['in files', byteSize(found.file_bytes)],
      ['spent today', `$${found.spent_today.usd.toFixed(4)}, ${found.spent_today.tokens} tokens`],
      [
        'measured',
        found.measured === null
          ? 'not yet: data stored earlier is not included in these numbers'
          : moment(found.measured),
      ],
    ]),
  )
}

const create = async (
  { client, out }: Session,
  [name]: [string],
  { description }: { description?: string },
): Promise<void> => {
  const made = await client.createCollection({ body: { name, ...(description === undefined ? {} : { description }) } })
  out.answer(made, () => `Created ${made.name}`)
  out.note(pc.dim(`Add a task with: jetty tasks deploy <file> ${made.name}/<task>`))
}

const remove = async ({ client, out }: Session, [given]: [string], options: { yes?: boolean }): Promise<void> => {
  const { name } = await client.getCollection({ params: { collection: given } })
  await confirmByName(
    `This permanently deletes ${name} with its tasks, runs, files, secrets and keys.`,
    name,
    options.yes,
  )
  await client.deleteCollection({ params: { collection: name } })
  out.answer({ deleted: name }, () => `Deleted ${name}`)
}
