import type { Command } from 'commander'
import pc from 'picocolors'
import { AppError } from '../../lib/errors.ts'
import { pause } from '../../lib/time.ts'
import type { Evaluation } from '../../model/runs/evaluation.ts'
import type { Economy } from '../../model/workflows/economy.ts'
import { exitCodes, interruption } from '../exit.ts'
import { collect, economyMeaning, parseEconomy, positive, readJson } from '../input/inputs.ts'
import {
  type DatasetOptions,
  datasetFields,
  delimiterMeaning,
  itemsMeaning,
  parseDelimiter,
  readItemSource,
} from '../input/item-source.ts'
import { parseTaskAt, versionText } from '../input/places.ts'
import { refusing } from '../refusing.ts'
import { type Session, withSession } from '../session.ts'
import { costText, dollars, duration, fields, moment, paintStatus, safe, table } from '../show/output.ts'
import { makeProgressLine } from '../show/progress-line.ts'
import { labelsOf } from './labels.ts'
import { secretsOf } from './run.ts'

type JudgedBy = Evaluation['judges'][number]

const figure = (value: number | null): string => (value === null ? '-' : String(Number(value.toFixed(3))))

const signed = (value: number): string => `${value > 0 ? '+' : ''}${figure(value)}`

const range = (interval: JudgedBy['interval']): string =>
  interval ? `${figure(interval.low)} to ${figure(interval.high)}` : '-'

const difference = ({ comparison }: JudgedBy): string => {
  if (!comparison) return '-'
  const { mean_difference: by, interval, judge_changed: isOther } = comparison
  const text = by === null ? '-' : `${signed(by)}${interval ? ` (${range(interval)})` : ''}`
  return isOther ? `${text} *` : text
}

const judgeTable = ({ judges, comparison }: Evaluation): string => {
  const against = comparison ? ['AGAINST BASELINE', 'BETTER', 'WORSE', 'SAME'] : []
  const rows = judges.map((judge) => [
    judge.name,
    figure(judge.mean),
    range(judge.interval),
    judge.n,
    judge.failed,
    ...(comparison
      ? [
          difference(judge),
          judge.comparison?.better ?? null,
          judge.comparison?.worse ?? null,
          judge.comparison?.same ?? null,
        ]
      : []),
  ])
  const isOther = judges.some((judge) => judge.comparison?.judge_changed)
  const note = isOther ? pc.dim('\n* this judge had a different instruction, model or scale in the baseline') : ''
  return `${table(['JUDGE', 'MEAN', '95 %', 'N', 'FAILED', ...against], rows)}${note}`
}

const regressionsOf = ({ comparison }: Evaluation): string => {
  if (!comparison || comparison.regressions.length === 0) return ''
  const rows = comparison.regressions.map(({ key, judge, before, now, trajectory_id: run }) =>
    judge === null ? [key, 'failed', '-', '-', run] : [key, judge, before, now, run],
  )
  const more = comparison.more_regressions > 0 ? pc.dim(`\nand ${comparison.more_regressions} more`) : ''
  const heading = `${pc.bold('Worse than')} ${comparison.evaluation_id}`
  return `${heading}\n${table(['ITEM', 'JUDGE', 'BEFORE', 'NOW', 'RUN'], rows)}${more}`
}

/** Lists the items that were read without a verdict, with the reason. */
const failuresOf = ({ items, items_total: total }: Evaluation): string => {
  if (items.length === 0) return ''
  const rows = items.flatMap(({ key, trajectory_id: run, error, verdicts }) =>
    error !== null
      ? [[key, '-', run, error]]
      : Object.entries(verdicts).flatMap(([judge, { status, trajectory_id, error: why }]) =>
          status === 'failed' ? [[key, judge, trajectory_id, why]] : [],
        ),
  )
  const more = total > items.length ? pc.dim(`\nand ${total - items.length} more`) : ''
  return `${pc.bold('Without a verdict')}\n${table(['ITEM', 'JUDGE', 'RUN', 'WHY'], rows)}${more}`
}

const shownThresholds = ({ thresholds }: Evaluation): string =>
  thresholds
    .map(({ judge, rule, passed, reason }) => {
      const mark = passed ? pc.green('✓') : pc.red('✗')
      return `${mark} ${safe(judge)} ${rule}: ${safe(reason)}`
    })
    .join('\n')

const headOf = (evaluation: Evaluation): string => {
  const { comparison, cost_usd: cost, estimate_usd: atStart } = evaluation
  return fields([
    ['evaluation', evaluation.evaluation_id],
    ...(evaluation.name === null ? [] : [['name', evaluation.name] as [string, string]]),
    ['task', evaluation.task],
    ['version', versionText(evaluation.version)],
    ['status', evaluation.status, paintStatus],
    ['created', moment(evaluation.created)],
    [
      'items',
      Object.entries(evaluation.runs)
        .map(([status, count]) => `${count} ${status}`)
        .join(', '),
    ],
    ['cost', costText(cost, atStart) || null],
    ['baseline', evaluation.baseline],
    ...(comparison
      ? [
          [
            'against it',
            `${comparison.task} at ${versionText(comparison.version) ?? 'an unknown version'}: ${comparison.matched} items in both, ${comparison.newly_failed} newly failed, ${comparison.newly_fixed} newly fixed`,
          ] as [string, string],
        ]
      : []),
    ...(evaluation.error === null ? [] : [['error', evaluation.error] as [string, string]]),
  ])
}

/** Query for the items of a report: the first five without a verdict. */
const reportedItems = { items: 'failed', limit: 5 } as const

/**
 * Formats an evaluation read with `reportedItems`: the judges, what got worse, items without a verdict, and the
 * thresholds.
 */
const evaluationReport = (evaluation: Evaluation): string =>
  [
    headOf(evaluation),
    judgeTable(evaluation),
    regressionsOf(evaluation),
    failuresOf(evaluation),
    shownThresholds(evaluation),
  ]
    .filter((part) => part !== '')
    .join('\n\n')

interface EvalOptions extends DatasetOptions {
  judges: string
  baseline?: string
  threshold?: string[]
  maxWorse?: string[]
  maxFailed?: string[]
  outputPath?: string
  name?: string
  maxConcurrency?: number
  economy?: Economy
  secret?: string[]
  label?: string[]
  wait: boolean
}

/** `jetty eval …`. */
export const registerEval = (program: Command): void => {
  const evaluate = program
    .command('eval')
    .description('Run a task for many items, score every run, and compare with an earlier evaluation')
  evaluate
    .command('run <collection/task[@version]> <items>', { isDefault: true })
    .description('Evaluate a task; the word run may be left out')
    .requiredOption('-j, --judges <file>', 'JSON file with the judges; - is stdin')
    .option('-b, --baseline <id>', 'evaluation to compare with; latest is the last one of the task')
    .option('-t, --threshold <judge=mean>', 'lowest mean score of a judge that passes; repeat for several', collect)
    .option('--max-worse <judge=n>', 'number of items that may score lower than in the baseline', collect)
    .option('--max-failed <judge=n>', 'number of items that may have no verdict (default with a threshold: 0)', collect)
    .option('--output-path <path>', 'path of the judged output (default: the outputs of the last step)')
    .option('--name <name>', 'name of the evaluation')
    .option('--max-concurrency <n>', 'runs or judgements that execute at once', positive)
    .option('--economy <economy>', economyMeaning, parseEconomy)
    .option('--secret <NAME>', 'secret for these runs only, read from the environment variable NAME', collect)
    .option('-l, --label <key[=value]>', 'label for every run and judgement; repeat for several', collect)
    .option('--split <name>', 'with a dataset: only the items of this split')
    .option('--delimiter <mark>', delimiterMeaning, parseDelimiter)
    .option('--changed-only', 'with a dataset: take over results that still hold, and run only the others')
    .option('--no-wait', 'start the evaluation and exit')
    .addHelpText(
      'after',
      `
${itemsMeaning}
An item keeps its id from one evaluation to the next; only the judges see its expected value.

Exit codes: 0 all thresholds met · 1 a threshold missed · 2 wrong use · 3 the evaluation or the server failed

Examples:
  jetty eval run acme/answer questions.jsonl --judges judges.json
  jetty eval run acme/answer@candidate questions.jsonl -j judges.json --baseline latest
  jetty eval run acme/answer questions.jsonl -j judges.json -b latest --threshold clarity=7.5 --max-worse clarity=2
  echo '[{"name": "polite", "instruction": "Is it polite?", "binary": true, "model": "gpt-4o"}]' |
    jetty eval run acme/answer questions.csv -j - --threshold polite=0.9 --json`,
    )
    .action(withSession<EvalOptions, [string, string]>(run))
  evaluate
    .command('ls <collection[/task]>')
    .description('List evaluations, newest first')
    .option('-n, --limit <n>', 'maximum number to list', positive, 20)
    .addHelpText('after', '\nExamples:\n  jetty eval ls acme\n  jetty eval ls acme/answer --json')
    .action(withSession<{ limit: number }, [string]>(list))
  evaluate
    .command('get <collection/evaluation>')
    .description('Show an evaluation: its judges, regressions and thresholds')
    .option('-f, --follow', 'wait for its end; the exit code says whether the thresholds are met')
    .addHelpText('after', '\nExamples:\n  jetty eval get acme/1f2e3d4c\n  jetty eval get acme/1f2e3d4c --follow --json')
    .action(withSession<{ follow?: boolean }, [string]>(show))
  evaluate
    .command('cancel <collection/evaluation>')
    .description('Stop an evaluation: cancel its running runs and start no more')
    .addHelpText('after', '\nExamples:\n  jetty eval cancel acme/1f2e3d4c')
    .action(
      withSession<object, [string]>(async ({ client, out }, [place]) => {
        const answer = await client.cancelEvaluation({ params: placeOf(place) })
        out.answer(answer, () => answer.status)
      }),
    )
}

interface Place {
  collection: string
  evaluation_id: string
}

const placeOf = (text: string): Place => {
  const [collection, evaluation_id, ...rest] = text.split('/')
  if (collection && evaluation_id && rest.length === 0) return { collection, evaluation_id }
  throw new AppError('invalid', `Expected <collection>/<evaluation>, got ${JSON.stringify(text)}`, {
    hint: 'For example: acme/1f2e3d4c; jetty eval ls acme lists them.',
  })
}

type Threshold = { min_mean?: number; max_worse?: number; max_failed?: number }

/** Parses `name=number` of one rule into the judge's thresholds. */
const addRule = (thresholds: Map<string, Threshold>, rule: keyof Threshold, given: string[] | undefined): void => {
  for (const text of given ?? []) {
    const [, judge = '', number = ''] = /^([^=]+)=(.+)$/.exec(text) ?? []
    if (judge === '' || !Number.isFinite(Number(number))) {
      throw new AppError('invalid', `Expected judge=number, such as clarity=7.5, got ${JSON.stringify(text)}`)
    }
    thresholds.set(judge, { ...thresholds.get(judge), [rule]: Number(number) })
  }
}

const thresholdsOf = ({ threshold, maxWorse, maxFailed }: EvalOptions): Record<string, Threshold> => {
  const thresholds = new Map<string, Threshold>()
  addRule(thresholds, 'min_mean', threshold)
  addRule(thresholds, 'max_worse', maxWorse)
  addRule(thresholds, 'max_failed', maxFailed)
  return Object.fromEntries(thresholds)
}

const run = async (session: Session, [task, items]: [string, string], options: EvalOptions): Promise<void> => {
  const { client, out } = session
  const { place: params, version } = parseTaskAt(task)
  const judges = readJson(options.judges)
  if (!Array.isArray(judges)) {
    const kind = judges === null ? 'null' : typeof judges === 'object' ? 'an object' : `a ${typeof judges}`
    throw new AppError('invalid', `The judges in ${options.judges} are ${kind}; expected a list of judges`, {
      hint: 'Such as [{"name": "polite", "instruction": "Is it polite?", "binary": true, "model": "gpt-4o"}].',
    })
  }
  const thresholds = thresholdsOf(options)
  const body = {
    ...(await readItemSource(session, params.collection, items)),
    ...datasetFields(options),
    ...(version === undefined ? {} : { version }),
    judges: judges as never,
    thresholds,
    ...(options.baseline === undefined ? {} : { baseline: options.baseline }),
    ...(options.outputPath === undefined ? {} : { output_path: options.outputPath }),
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.economy ? { economy: options.economy } : {}),
    ...(options.maxConcurrency === undefined ? {} : { max_concurrency: options.maxConcurrency }),
    ...(options.secret ? { secret_params: secretsOf(options.secret) } : {}),
    labels: labelsOf(options.label),
  }
  const started = await client.startEvaluation({ params, query: refusing, body })
  const place = { collection: params.collection, evaluation_id: started.evaluation_id }
  const text = `${place.collection}/${place.evaluation_id}`
  if (!options.wait) {
    out.answer(started, () => text)
    out.note(pc.dim(`Follow it with: jetty eval get ${text} --follow`))
    return
  }
  out.note(pc.dim(text))
  showEnd(session, await followEvaluation(session, place))
}

const show = async (session: Session, [text]: [string], { follow }: { follow?: boolean }): Promise<void> => {
  const place = placeOf(text)
  if (follow) return showEnd(session, await followEvaluation(session, place))
  const evaluation = await readWhole(session, place)
  session.out.answer(evaluation, () => evaluationReport(evaluation))
}

type Query = NonNullable<Parameters<Session['client']['getEvaluation']>[0]['query']>

const read = ({ client, signal }: Session, params: Place, query: Query): Promise<Evaluation> =>
  client.getEvaluation({ params, query, signal })

/** Reads an evaluation; programs get a page of all items. */
const readWhole = (session: Session, place: Place): Promise<Evaluation> =>
  read(session, place, session.out.isJson ? { limit: 100 } : reportedItems)

const showEnd = ({ out }: Session, evaluation: Evaluation): void => {
  out.answer(evaluation, () => evaluationReport(evaluation))
  if (evaluation.status !== 'completed') process.exitCode = exitCodes.serverFailed
  else if (evaluation.passed === false) process.exitCode = exitCodes.failed
}

const pollMs = [250, 500, 1_000, 2_000]
const patienceMs = 60_000

const progressText = ({ total, runs, judgements, judges, cost_usd: cost }: Evaluation): string => {
  const open = (runs.pending ?? 0) + (runs.running ?? 0)
  const judged = (judgements.completed ?? 0) + (judgements.failed ?? 0)
  const price = cost === null ? '' : ` · ${dollars(cost)}`
  return `${total - open}/${total} runs · ${judged}/${total * judges.length} judgements${price}`
}

/** Watches an evaluation to its end, also through short outages of the server. */
const followEvaluation = async (session: Session, place: Place): Promise<Evaluation> => {
  const { out, signal } = session
  const begun = Date.now()
  let text = 'waiting to start'
  const line = out.isJson
    ? undefined
    : makeProgressLine(() => `${text} ${pc.dim(duration((Date.now() - begun) / 1000))}`)
  let answeredMs = Date.now()
  try {
    for (let look = 0; ; look++) {
      try {
        const evaluation = await read(session, place, { limit: 0 })
        answeredMs = Date.now()
        if (evaluation.ended !== null) return await readWhole(session, place)
        text = progressText(evaluation)
      } catch (error) {
        const passes = !(error instanceof AppError) || error.retryable || error.status >= 500
        if (!signal.aborted && (!passes || Date.now() - answeredMs > patienceMs)) throw error
      }
      if (await pause(pollMs[Math.min(look, pollMs.length - 1)] ?? 0, signal)) continue
      const at = `${place.collection}/${place.evaluation_id}`
      throw interruption(
        `The evaluation continues on the server: ${at}`,
        `Watch it with:  jetty eval get ${at} --follow\nCancel it with: jetty eval cancel ${at}`,
      )
    }
  } finally {
    line?.stop()
  }
}

const list = async ({ client, out }: Session, [given]: [string], { limit }: { limit: number }): Promise<void> => {
  const [collection = '', task] = given.split('/')
  const query = { limit: Math.min(limit, 100), ...(task ? { task } : {}) }
  const { evaluations } = await client.listEvaluations({ params: { collection }, query })
  out.answer(evaluations, () =>
    evaluations.length === 0
      ? ''
      : table(
          ['EVALUATION', 'TASK', 'VERSION', 'STATUS', 'CREATED', 'ITEMS', 'JUDGES', 'BASELINE', 'NAME'],
          evaluations.map((one) => [
            one.evaluation_id,
            one.task,
            versionText(one.version),
            one.status,
            moment(one.created),
            one.total,
            one.judges.join(' '),
            one.baseline,
            one.name,
          ]),
          (text, column) => (column === 3 ? paintStatus(text) : text),
        ),
  )
  if (evaluations.length === 0) out.note(`No evaluations in ${given}.`)
}
