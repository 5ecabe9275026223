import type { Command } from 'commander'
import pc from 'picocolors'
import type { Estimate } from '../../model/runs/estimate.ts'
import type { ExpectedValue } from '../../model/runs/expected-cost.ts'
import { positive, readJson } from '../input/inputs.ts'
import { parseTaskAt } from '../input/places.ts'
import { type Session, withSession } from '../session.ts'
import { dollars, duration, fields, quantity, safe, table } from '../show/output.ts'

interface EstimateOptions {
  count?: number
  dataset?: string
  split?: string
  changedOnly?: boolean
  judges?: string
  maxConcurrency?: number
}

/** `jetty estimate`. */
export const registerEstimate = (program: Command): void => {
  program
    .command('estimate <collection/task[@version]>')
    .description('Show what runs, a batch or an evaluation would cost and take; starts nothing')
    .option('-n, --count <n>', 'number of runs (default: 1)', positive)
    .option('-d, --dataset <name>', 'instead of a number: the items of a dataset, such as articles@gold')
    .option('--split <name>', 'with a dataset: only the items of this split')
    .option('--changed-only', 'with a dataset: only items without a result that still holds')
    .option('-j, --judges <file>', 'JSON file with the judges of an evaluation; - is stdin')
    .option('-c, --max-concurrency <n>', 'runs that execute at once (default: 20)', positive)
    .addHelpText(
      'after',
      `
The estimate comes from the recorded runs of the task: 90 of 100 lie within its interval. What has never run is unknown.

Examples:
  jetty estimate acme/summarize
  jetty estimate acme/summarize --count 500
  jetty estimate acme/answer --dataset questions@gold --judges judges.json --json`,
    )
    .action(withSession<EstimateOptions, [string]>(estimate))
}

const estimate = async ({ client, out }: Session, [task]: [string], options: EstimateOptions): Promise<void> => {
  const { count, dataset, split, changedOnly, judges, maxConcurrency } = options
  const { place: params, version } = parseTaskAt(task)
  const found = await client.estimateTask({
    params,
    body: {
      ...(version === undefined ? {} : { version }),
      ...(count === undefined ? {} : { count }),
      ...(dataset === undefined ? {} : { dataset }),
      ...(split === undefined ? {} : { split }),
      ...(changedOnly ? { changed_only: true } : {}),
      ...(judges === undefined ? {} : { judges: readJson(judges) as never }),
      ...(maxConcurrency === undefined ? {} : { max_concurrency: maxConcurrency }),
    },
  })
  out.answer(found, () => estimateText(found))
}

/** For example `$3.1 (90 %: $2.6 to $3.8)`. */
const rangeText = ({ expected, low, high }: ExpectedValue, show: (value: number) => string): string =>
  low === null || high === null
    ? `${show(expected)} (from one run)`
    : `${show(expected)} (90 %: ${show(low)} to ${show(high)})`

/** For example `the last 5 were within 8 %, and correct this one by 1.04`. */
const earlierText = ({ jobs, largest_error: error, correction }: NonNullable<Estimate['earlier']>): string =>
  `the last ${jobs === 1 ? 'one was' : `${jobs} were`} within ${Math.ceil(error * 100)} %${correction === 1 ? '' : `, and correct this one by ${correction.toFixed(2)}`}`

const estimateText = (found: Estimate): string => {
  const { count, reused, cost_usd: cost, duration_seconds: seconds, unknown_calls: unknown, parts, earlier } = found
  const head = fields([
    ['task', found.task],
    ['runs', reused > 0 ? `${count} (${reused} results taken over)` : count],
    ['cost', cost ? rangeText(cost, dollars) : 'unknown'],
    ['time', seconds ? rangeText(seconds, duration) : 'unknown'],
    ...(unknown > 0 ? [['without a price', quantity(unknown, 'model call')] as [string, string]] : []),
    ...(earlier ? [['earlier', earlierText(earlier)] as [string, string]] : []),
  ])
  const rows = parts.map(({ name, count: times, cost_usd: usd, basis }) => [
    name,
    times,
    usd === null ? null : dollars(usd),
    basis === null ? null : `${basis.runs}${basis.same_workflow ? '' : ', of other versions too'}`,
  ])
  const reasons = parts.flatMap(({ reason }) => (reason === null ? [] : [`\n${pc.yellow(safe(reason))}`]))
  return `${head}\n\n${table(['PART', 'TIMES', 'COST', 'RECORDED'], rows)}${reasons.join('')}`
}
