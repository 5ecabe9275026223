import type { Command } from 'commander'
import pc from 'picocolors'
import { AppError } from '../../lib/errors.ts'
import { pause } from '../../lib/time.ts'
import type { Experiment, ExperimentPlan, PlannedExperiment } from '../../model/runs/experiment.ts'
import { exitCodes, interruption } from '../exit.ts'
import { confirm } from '../input/ask.ts'
import {
  amount,
  assembled,
  collect,
  parseAssignment,
  parseTextAssignment,
  positive,
  readJson,
} from '../input/inputs.ts'
import { parseTaskAt } from '../input/places.ts'
import { type Session, withSession } from '../session.ts'
import { dollars, duration, fields, moment, paintStatus, quantity, safe, table } from '../show/output.ts'
import { makeProgressLine } from '../show/progress-line.ts'

interface BacktestOptions {
  runs?: string
  label?: string[]
  file?: string
  model?: string[]
  param?: string[]
  judges?: string
  outputPath?: string
  allow?: string[]
  bound?: number
  repeat?: number
  maxConcurrency?: number
  name?: string
  dryRun?: boolean
  yes?: boolean
  wait: boolean
}

interface Place {
  collection: string
  experiment_id: string
}

/** `jetty backtest` and `jetty experiments …`. */
export const registerBacktest = (program: Command): void => {
  program
    .command('backtest <collection/task[@version]>')
    .description('Show what another version of a task would have done with recorded runs')
    .option('-r, --runs <runs>', 'recorded runs: last:200, or trajectory ids with commas between (default: last:20)')
    .option('-l, --label <key[:value]>', 'only runs with this label; repeat for several', collect)
    .option('-f, --file <file>', 'JSON file with the workflow to try, instead of @version; - is stdin')
    .option('-m, --model <old=new>', 'replace a model of the workflow; repeat for several', collect)
    .option('-p, --param <name=value>', 'other value of a parameter, as in jetty run', collect)
    .option('-j, --judges <file>', 'JSON file with judges of both outputs, as in jetty eval')
    .option('--output-path <path>', 'path of the compared output (default: the outputs of the last step)')
    .option('--allow <step>', 'execute this step although it writes; repeat for several', collect)
    .option('--bound <usd>', 'start nothing that could cost more than this in all', amount)
    .option('--repeat <n>', 'execute each run so often, and the recorded version too (default: 1)', positive)
    .option('-c, --max-concurrency <n>', 'runs that execute at once (default: 20)', positive)
    .option('--name <name>', 'name of the experiment')
    .option('--dry-run', 'only show the plan and its price')
    .option('-y, --yes', 'start without a question')
    .option('--no-wait', 'start the experiment and exit')
    .addHelpText(
      'after',
      `
Only steps from the first difference on are executed. A run on whose path nothing differs costs nothing. A step that
writes is not repeated: it takes its recorded result, or the trial ends there.

Exit codes: 0 nothing is worse · 1 a judge says worse, or runs fail now · 2 wrong use · 3 it stopped, or the server
failed

Examples:
  jetty backtest acme/report@12 --runs last:200 --judges judges.json --bound 5
  jetty backtest acme/report --file new.json --dry-run
  jetty backtest acme/report --model gpt-4o=gpt-4o-mini --label complaint -j judges.json --yes --json`,
    )
    .action(withSession<BacktestOptions, [string]>(backtest))
  const experiments = program.command('experiments').description('List, show, stop and resume backtests')
  experiments
    .command('ls <collection[/task]>')
    .description('List experiments, newest first')
    .option('-n, --limit <n>', 'maximum number to list', positive, 20)
    .addHelpText('after', '\nExamples:\n  jetty experiments ls acme\n  jetty experiments ls acme/report --json')
    .action(withSession<{ limit: number }, [string]>(list))
  experiments
    .command('get <collection/experiment>')
    .description('Show an experiment: its judges, and runs, worst first')
    .option('-f, --follow', 'wait for its end')
    .addHelpText('after', '\nExamples:\n  jetty experiments get acme/exp-1f2e3d4c5b6a7988 --follow')
    .action(
      withSession<{ follow?: boolean }, [string]>(async (session, [text], { follow: isFollowed }) => {
        const place = placeOf(text)
        showEnd(session, isFollowed ? await follow(session, place) : await read(session, place))
      }),
    )
  experiments
    .command('cancel <collection/experiment>')
    .description('Stop an experiment: cancel its runs and start no more')
    .addHelpText('after', '\nExamples:\n  jetty experiments cancel acme/exp-1f2e3d4c5b6a7988')
    .action(
      withSession<object, [string]>(async ({ client, out }, [text]) => {
        const answer = await client.cancelExperiment({ params: placeOf(text) })
        out.answer(answer, () => answer.state)
      }),
    )
  experiments
    .command('resume <collection/experiment>')
    .description('Let a stopped experiment go on')
    .option('--bound <usd>', 'the new bound in US dollars (default: none)', amount)
    .option('--no-wait', 'do not wait for its end')
    .addHelpText('after', '\nExamples:\n  jetty experiments resume acme/exp-1f2e3d4c5b6a7988 --bound 10')
    .action(
      withSession<{ bound?: number; wait: boolean }, [string]>(async (session, [text], { bound, wait }) => {
        const place = placeOf(text)
        const resumed = await session.client.resumeExperiment({ params: place, body: { bound_usd: bound ?? null } })
        if (wait) return showEnd(session, await follow(session, place))
        session.out.answer(resumed, () => resumed.state)
      }),
    )
}

const placeOf = (text: string): Place => {
  const [collection, experiment_id, ...rest] = text.split('/')
  if (collection && experiment_id && rest.length === 0) return { collection, experiment_id }
  throw new AppError('invalid', `Expected <collection>/<experiment>, got ${JSON.stringify(text)}`, {
    hint: 'For example: acme/exp-1f2e3d4c5b6a7988; jetty experiments ls acme lists them.',
  })
}

/** Parses `last:200`, or trajectory ids. */
const sourceOf = (text: string | undefined, labels: string[] | undefined) => {
  const filter = labels ? { label: labels as never } : {}
  if (text === undefined) return filter
  const [, count] = /^last:(\d+)$/.exec(text) ?? []
  if (count !== undefined) return { ...filter, last: positive(count) }
  const ids = text.split(',').map((one) => one.trim())
  if (ids.every((id) => /^[\w-]+$/.test(id))) return { ...filter, trajectory_ids: ids }
  throw new AppError('invalid', `--runs ${JSON.stringify(text)}: expected last:<number>, or trajectory ids`, {
    hint: 'Such as --runs last:200, or --runs 1f2e3d4c,5b6a7988.',
  })
}

const backtest = async (session: Session, [given]: [string], options: BacktestOptions): Promise<void> => {
  const { client, out } = session
  const { place: params, version } = parseTaskAt(given)
  const { file, judges, model, param, allow, bound, outputPath, repeat, maxConcurrency, name } = options
  const body = {
    runs: sourceOf(options.runs, options.label),
    ...(version === undefined ? {} : { version }),
    ...(file === undefined ? {} : { workflow: readJson(file) as never }),
    ...(model ? { models: Object.fromEntries(model.map(parseTextAssignment)) } : {}),
    ...(param ? { init_params: assembled(param.map(parseAssignment), {}) } : {}),
    ...(judges === undefined ? {} : { judges: readJson(judges) as never }),
    ...(allow ? { allow } : {}),
    ...(bound === undefined ? {} : { bound_usd: bound }),
    ...(outputPath === undefined ? {} : { output_path: outputPath }),
    ...(repeat === undefined ? {} : { repeat }),
    ...(maxConcurrency === undefined ? {} : { max_concurrency: maxConcurrency }),
    ...(name === undefined ? {} : { name }),
  }
  const planned = await client.startExperiment({ params, body: { ...body, dry_run: true } })
  if (options.dryRun) return out.answer(planned, () => planText(planned))
  out.note(planText(planned))
  if (planned.plan.changed > 0) await confirm(`${question(planned.plan)}?`, options.yes)
  const { experiment_id: id } = await client.startExperiment({ params, body })
  const place = { collection: params.collection, experiment_id: id ?? '' }
  const text = `${place.collection}/${place.experiment_id}`
  if (!options.wait) {
    out.answer(place, () => text)
    out.note(pc.dim(`Follow it with: jetty experiments get ${text} --follow`))
    return
  }
  out.note(pc.dim(text))
  showEnd(session, await follow(session, place))
}

const priceText = ({ cost_usd: cost }: ExperimentPlan): string => {
  if (cost === null) return 'unknown'
  const { expected, low, high } = cost
  return low === null || high === null || low === high
    ? dollars(expected)
    : `${dollars(expected)} (90 %: ${dollars(low)} to ${dollars(high)})`
}

const question = (plan: ExperimentPlan): string =>
  `Try it on ${quantity(plan.changed, 'run')}${plan.cost_usd ? `, about ${dollars(plan.cost_usd.expected)}` : ' at an unknown price'}`

const planText = ({ task, candidate, plan }: PlannedExperiment): string => {
  const steps = Object.entries(plan.first_steps).map(([step, count]) => `${step} (${count})`)
  return fields([
    ['task', task],
    ['candidate', candidate.version === null ? 'a workflow' : `${candidate.version} (version ${candidate.index})`],
    ['runs', plan.runs],
    ['changed', plan.changed === 0 ? 0 : `${plan.changed}, from ${steps.join(', ')}`],
    ...(plan.executions > plan.changed ? [['executions', plan.executions] as [string, number]] : []),
    ['untouched', plan.untouched],
    ...(plan.writing_steps.length > 0
      ? [['writes', `${plan.writing_steps.join(', ')}: not executed without --allow`] as [string, string]]
      : []),
    ...(plan.cannot > 0 ? [['cannot', plan.cannot] as [string, number]] : []),
    ['cost', priceText(plan)],
    ...(plan.reason === null ? [] : [['because', plan.reason] as [string, string]]),
  ])
}

const read = ({ client, out, signal }: Session, params: Place): Promise<Experiment> =>
  client.getExperiment({ params, query: { limit: out.isJson ? 500 : 10 }, signal })

const figure = (value: number | null): string => (value === null ? '-' : String(Number(value.toFixed(3))))

const judgeTable = ({ judges }: Experiment): string =>
  judges.length === 0
    ? ''
    : table(
        ['JUDGE', 'VERDICT', 'DIFFERENCE', '95 %', 'BETTER', 'WORSE', 'SAME'],
        judges.map((judge) => [
          judge.name,
          judge.verdict === 'no_difference' && judge.detectable !== null
            ? `no difference seen (${figure(judge.detectable)} would have been)`
            : judge.verdict.replace('_', ' '),
          figure(judge.mean_difference),
          judge.interval ? `${figure(judge.interval.low)} to ${figure(judge.interval.high)}` : '-',
          ...[judge.better, judge.worse, judge.same],
        ]),
      )

const share = (value: number | null): string => (value === null ? '-' : `${figure(value * 100)} %`)

const repeatsTable = ({ judges, repeat }: Experiment): string =>
  repeat === 1
    ? ''
    : table(
        ['JUDGE', 'NOISE', 'ALL PASS', 'ANY PASSES', 'RECORDED: ALL', 'ANY'],
        judges.map(({ name, repeats }) => {
          const { noise = null, pass_all: all = null, pass_any: any = null } = repeats ?? {}
          const { base_pass_all: baseAll = null, base_pass_any: baseAny = null } = repeats ?? {}
          return [name, figure(noise), ...[all, any, baseAll, baseAny].map(share)]
        }),
      )

const itemTable = ({ items, judges }: Experiment): string => {
  const some = items.filter(
    ({ arm, outcome }) => arm === 'candidate' && outcome !== 'untouched' && outcome !== 'same_output',
  )
  if (some.length === 0) return ''
  const rows = some.map(({ trajectory_id, trial_id, outcome, state, from_step, verdicts, reason }) => [
    trajectory_id,
    trial_id,
    outcome?.replaceAll('_', ' ') ?? state,
    from_step,
    ...judges.map(({ name }) => {
      const pair = verdicts[name]
      return pair ? `${pair.base ?? '-'} → ${pair.candidate ?? '-'}` : '-'
    }),
    reason,
  ])
  return table(['RUN', 'TRIAL', 'OUTCOME', 'FROM', ...judges.map(({ name }) => name.toUpperCase()), 'WHY'], rows)
}

const reportText = (experiment: Experiment): string => {
  const { experiment_id, task, name, state, reason, outcomes, cost_usd, estimate, bound_usd } = experiment
  const head = fields([
    ['experiment', experiment_id],
    ...(name === null ? [] : [['name', name] as [string, string]]),
    ['task', task],
    ['state', reason === null ? state : `${state} (${reason})`, paintStatus],
    [
      'runs',
      Object.entries(outcomes)
        .map(([outcome, count]) => `${count} ${outcome.replaceAll('_', ' ')}`)
        .join(', '),
    ],
    ['cost', `${dollars(cost_usd)}, estimated ${priceText(estimate)}`],
    ...(bound_usd === null ? [] : [['bound', dollars(bound_usd)] as [string, string]]),
  ])
  return [head, judgeTable(experiment), repeatsTable(experiment), itemTable(experiment)]
    .filter((part) => part !== '')
    .join('\n\n')
}

const showEnd = ({ out }: Session, experiment: Experiment): void => {
  out.answer(experiment, () => reportText(experiment))
  const isWorse = experiment.judges.some(({ verdict }) => verdict === 'worse') || (experiment.outcomes.failed ?? 0) > 0
  if (experiment.state === 'stopped') {
    process.exitCode = exitCodes.serverFailed
    if (experiment.reason === 'bound') out.note('Go on with: jetty experiments resume … --bound <usd>')
  } else if (isWorse) process.exitCode = exitCodes.failed
}

const pollMs = [250, 500, 1_000, 2_000]
const patienceMs = 60_000

/** Watches an experiment to its end, also through short outages of the server. */
const follow = async (session: Session, place: Place): Promise<Experiment> => {
  const { client, out, signal } = session
  const begun = Date.now()
  let text = 'waiting to start'
  const line = out.isJson
    ? undefined
    : makeProgressLine(() => `${text} ${pc.dim(duration((Date.now() - begun) / 1000))}`)
  let answeredMs = Date.now()
  try {
    for (let look = 0; ; look++) {
      try {
        const found = await client.getExperiment({ params: place, query: { limit: 0 }, signal })
        answeredMs = Date.now()
        if (found.state !== 'running') return await read(session, place)
        text = `${Math.round(found.progress * 100)} % · ${dollars(found.cost_usd)}`
      } catch (error) {
        const passes = !(error instanceof AppError) || error.retryable || error.status >= 500
        if (!signal.aborted && (!passes || Date.now() - answeredMs > patienceMs)) throw error
      }
      if (await pause(pollMs[Math.min(look, pollMs.length - 1)] ?? 0, signal)) continue
      const at = `${place.collection}/${place.experiment_id}`
      throw interruption(
        `The experiment continues on the server: ${at}`,
        `Watch it with:  jetty experiments get ${at} --follow\nCancel it with: jetty experiments cancel ${at}`,
      )
    }
  } finally {
    line?.stop()
  }
}

const list = async ({ client, out }: Session, [given]: [string], { limit }: { limit: number }): Promise<void> => {
  const [collection = '', task] = given.split('/')
  const query = { limit: Math.min(limit, 100), ...(task ? { task } : {}) }
  const { experiments } = await client.listExperiments({ params: { collection }, query })
  out.answer(experiments, () =>
    experiments.length === 0
      ? ''
      : table(
          ['EXPERIMENT', 'TASK', 'CANDIDATE', 'STATE', 'CREATED', 'RUNS', 'CHANGED', 'NAME'],
          experiments.map((one) => [
            ...[one.experiment_id, one.task, one.candidate.version ?? 'a workflow', one.state, moment(one.created)],
            ...[one.estimate.runs, one.estimate.changed, one.name],
          ]),
          (text, column) => (column === 3 ? paintStatus(text) : text),
        ),
  )
  if (experiments.length === 0) out.note(`No experiments in ${safe(given)}.`)
}
