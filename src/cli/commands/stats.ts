import type { Command } from 'commander'
import type { DailyStats } from '../../model/runs/daily-stats.ts'
import { collect, parseChoice } from '../input/inputs.ts'
import { past } from '../input/moments.ts'
import { type Session, withSession } from '../session.ts'
import { dollars, table } from '../show/output.ts'

const groups = ['day', 'model', 'task', 'label'] as const satisfies readonly DailyStats['by'][]

interface StatsOptions {
  by?: (typeof groups)[number]
  label?: string
  task?: string[]
  since?: string
  until?: string
}

/** `jetty stats`. */
export const registerStats = (program: Command): void => {
  program
    .command('stats <collection>')
    .description('Show runs, cost and tokens by day, by model, by task or by the values of a label')
    .option('--by <what>', `one row for each: ${groups.join(', ')} (default: day)`, parseChoice(groups).once)
    .option(
      '--label <key[:value]>',
      'only model calls with this label: user, session or a key of the setting label_totals',
    )
    .option('--task <name>', 'only this task; repeat for several', collect)
    .option('--since <time>', 'from the day (UTC) of this time: 2026-11-25, 7d (default: 30 days)', past)
    .option('--until <time>', 'to the day (UTC) of this time, included (default: today)', past)
    .addHelpText(
      'after',
      `
Examples:
  jetty stats acme --since 7d
  jetty stats acme --by model
  jetty stats acme --by label --label user
  jetty stats acme --label user:u-17`,
    )
    .action(withSession<StatsOptions, [string]>(stats))
}

const stats = async (
  { client, out }: Session,
  [collection]: [string],
  { by, label, task, since, until }: StatsOptions,
): Promise<void> => {
  const query = {
    ...(by && { by }),
    ...(label !== undefined && { label }),
    ...(task && { task }),
    ...(since && { from: since }),
    ...(until && { to: until }),
  }
  const found = await client.getCollectionStats({ params: { collection }, query })
  out.answer(found, () => shown(found))
}

const shown = ({ by, rows, totals }: DailyStats): string => {
  const withRuns = totals.runs !== null && by !== 'model'
  const row = (name: string, of: DailyStats['totals']) => [
    name,
    ...(withRuns ? [of.runs?.total ?? 0, of.runs?.by_status.failed ?? 0] : []),
    of.calls,
    of.tokens,
    dollars(of.cost_usd),
  ]
  return table(
    [by.toUpperCase(), ...(withRuns ? ['RUNS', 'FAILED'] : []), 'CALLS', 'TOKENS', 'COST'],
    [...rows.map((one) => row(one.key, one)), row('all', totals)],
  )
}
