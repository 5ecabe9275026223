import type { Command } from 'commander'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { confirm } from '../input/ask.ts'
import {
  bytesOrNone,
  labelWithDays,
  numberOrNone,
  type RetentionOptions,
  retentionChange,
} from '../input/retention-options.ts'
import { type Session, withSession } from '../session.ts'
import { moment, quantity, table } from '../show/output.ts'

interface RetentionCommandOptions extends RetentionOptions {
  dryRun?: boolean
  yes?: boolean
}

/** `jetty collections retention`. */
export const registerRetention = (collections: Command): void => {
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
