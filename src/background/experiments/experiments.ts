import { type Engine, RunExists, type RunRequest } from '../../engine/engine.ts'
import { isDatabaseUnavailable, messageOf, toAppError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { now } from '../../lib/time.ts'
import type { Judge } from '../../model/runs/evaluation.ts'
import type { ExperimentOutcome } from '../../model/runs/experiment.ts'
import type { Database } from '../../store/database/database.ts'
import { mayStillWrite } from '../../store/runs/bulk/bulk-actions.ts'
import {
  cancelItems,
  claimExperiment,
  type ExperimentRow,
  endExperiment,
  isAnyExperimentDue,
  judgementKey,
  judgementsOfItem,
  noteItem,
  type OpenItem,
  openItems,
  openRunsOf,
  putBackExperiment,
  spentOn,
  trialKey,
} from '../../store/runs/experiments.ts'
import { findRunByKey } from '../../store/runs/runs.ts'

type Side = 'base' | 'candidate'

/** How the outputs of both runs of an item compare; `path` is what a judge reads of them. */
interface OutputsCompared {
  outcome: 'same' | 'differs' | 'nothing'
  path: string | null
}

export interface ExperimentsDeps {
  database: Database
  engine: Pick<Engine, 'start' | 'requestEnd' | 'lookFor'>
  /** Makes the request for the run of the candidate. Throws when it cannot be tried. */
  trialOf(experiment: ExperimentRow, item: OpenItem): Promise<RunRequest>
  /** Makes the request for a judgement of a run, by its trajectory id. */
  judgementOf(
    experiment: ExperimentRow,
    at: { judge: Judge; trajectoryId: string; path: string | null },
  ): Promise<RunRequest>
  /** Compares what is judged of two runs, by their keys; `isCut`: the second ended before a step that writes. */
  compare(
    experiment: ExperimentRow,
    keys: { base: string; candidate: string },
    isCut: boolean,
  ): Promise<OutputsCompared>
  /** The verdict in the outputs of a judge's step, as text. */
  verdictIn(outputs: string): string | null
  /** `seq` of the judge's step in a judgement. */
  verdictSeq: number
  log: Logger
}

/** An experiment under way: what it may still pay, and how many more runs may execute. */
interface Room {
  left: number
  places: number
  /** What the next run and the next judgement could cost. */
  run: number
  judgement: number
  isJudgementKnown: boolean
  isRunKnown: boolean
}

/** What a call could cost above the costliest that is recorded. */
const margin = 1.25

const active = (items: readonly OpenItem[]) => items.filter(({ state }) => state !== 'waiting')

/**
 * What may still begin. Everything under way is reserved whole, although a part of it is paid already. While no run, or
 * no judgement, is known, only one begins.
 */
const roomOf = async (
  { database }: ExperimentsDeps,
  experiment: ExperimentRow,
  items: readonly OpenItem[],
): Promise<Room> => {
  const { bound_usd: bound, max_concurrency: places } = experiment
  const under = active(items)
  const judges = (JSON.parse(experiment.judges) as Judge[]).length
  const free = places - under.length
  if (bound === null) {
    const unbounded = { left: Number.POSITIVE_INFINITY, run: 0, judgement: 0 }
    return { ...unbounded, places: free, isRunKnown: true, isJudgementKnown: true }
  }
  const spent = await spentOn(database, experiment.id)
  const recorded = Math.max(0, ...items.map(({ rest_usd }) => rest_usd))
  const run = margin * Math.max(recorded, spent.most_run)
  const judgement = margin * spent.most_judgement
  const running = under.filter(({ state }) => state === 'running').length
  const judging = under.filter(({ state }) => state === 'judging').length
  const reserved = running * run + judging * judges * 2 * judgement
  return {
    ...{ left: bound - spent.runs - spent.judgements - reserved, places: free, run, judgement },
    isRunKnown: run > 0,
    isJudgementKnown: judgement > 0,
  }
}

const note = (deps: ExperimentsDeps, { id }: ExperimentRow, { n }: OpenItem, at: Parameters<typeof noteItem>[3]) =>
  noteItem(deps.database, id, n, at)

const ended = (outcome: ExperimentOutcome, reason: string | null = null) =>
  ({ state: 'ended', outcome, reason }) as const

/** Starts a run once; returns its trajectory id, or `later` if there is no room for it on the server. */
const startOnce = async (
  { database, engine }: ExperimentsDeps,
  key: string,
  request: () => Promise<RunRequest>,
): Promise<string | 'later'> => {
  try {
    const there = await findRunByKey(database, key)
    if (there) return there.trajectory_id
    const started = await engine.start({ ...(await request()), key, unservable: 'record' })
    return started.trajectoryId
  } catch (error) {
    if (error instanceof RunExists) return (await findRunByKey(database, key))?.trajectory_id ?? 'later'
    if (toAppError(error).retryable) return 'later'
    throw error
  }
}

/** What an item would cost at most, with its judgements. */
const costOf = ({ run, judgement }: Room, judges: readonly Judge[]): number => run + 2 * judges.length * judgement

/** Starts the run of the candidate of the next item, if its cost fits. */
const begin = async (
  deps: ExperimentsDeps,
  experiment: ExperimentRow,
  item: OpenItem,
): Promise<'begun' | 'ended' | 'later'> => {
  try {
    const started = await startOnce(deps, trialKey(experiment.id, item.n), () => deps.trialOf(experiment, item))
    if (started === 'later') return 'later'
    await note(deps, experiment, item, { state: 'running', outcome: null, trial_id: started })
    return 'begun'
  } catch (error) {
    if (isDatabaseUnavailable(error)) throw error
    await note(deps, experiment, item, ended('cannot', messageOf(error)))
    return 'ended'
  }
}

/** Decides what follows the end of a candidate's run. */
const conclude = async (deps: ExperimentsDeps, experiment: ExperimentRow, item: OpenItem): Promise<void> => {
  const { status, base_status: base, error, withheld } = item
  if (base === null) return void (await note(deps, experiment, item, ended('cannot', 'The recorded run was deleted')))
  if (status === 'cancelled') return void (await note(deps, experiment, item, ended('cancelled')))
  const hasFailed = status !== 'completed' && !withheld
  if (hasFailed && base === 'completed') return void (await note(deps, experiment, item, ended('failed', error)))
  if (hasFailed) return void (await note(deps, experiment, item, ended('same_output', error)))
  if (base !== 'completed' && !withheld) return void (await note(deps, experiment, item, ended('fixed')))
  const keys = { base: item.base_key, candidate: trialKey(experiment.id, item.n) }
  const { outcome, path } = await deps.compare(experiment, keys, withheld)
  const judges = JSON.parse(experiment.judges) as Judge[]
  const reason = withheld ? error : null
  // With repetitions an equal output needs its verdict: it passes or not, as each other one.
  const needsVerdict = judges.length > 0 && experiment.repeat > 1 && !withheld
  if (outcome === 'same' && !needsVerdict)
    return void (await note(deps, experiment, item, ended(withheld ? 'stopped_before_effect' : 'same_output', reason)))
  if (outcome === 'nothing' || judges.length === 0) {
    return void (await note(deps, experiment, item, ended(withheld ? 'stopped_before_effect' : 'changed', reason)))
  }
  await note(deps, experiment, item, {
    state: 'judging',
    outcome: null,
    verdicts: JSON.stringify({ path, isSame: outcome === 'same' }),
  })
}

const sides: readonly Side[] = ['base', 'candidate']

/**
 * Starts the judgements of an item that are missing, and ends the item once all have ended. Repetitions share the judgement
 * of the recorded run, and an equal output has it too. A trial that ended before a step that writes is compared with what
 * the recorded run had at that step, which is judged for it alone.
 */
const judge = async (deps: ExperimentsDeps, experiment: ExperimentRow, item: OpenItem): Promise<void> => {
  const judges = JSON.parse(experiment.judges) as Judge[]
  const { path, isSame = false } = JSON.parse(item.verdicts ?? '{}') as { path?: string | null; isSame?: boolean }
  const isAtCut = typeof path === 'string'
  const keyOf = (at: number, side: Side): string => {
    if (side === 'candidate' && !isSame) return judgementKey(experiment.id, item.n, at, 'candidate')
    return isAtCut
      ? judgementKey(experiment.id, item.n, at, 'base-cut')
      : judgementKey(experiment.id, item.first_n, at, 'base')
  }
  const wanted = judges.flatMap((one, at) =>
    (isSame ? (['base'] as const) : sides).map((side) => ({ judge: one, side, key: keyOf(at, side) })),
  )
  const keys = wanted.map(({ key }) => key)
  const found = new Map((await judgementsOfItem(deps.database, keys, deps.verdictSeq)).map((row) => [row.id, row]))
  for (const { judge: one, side, key } of wanted) {
    if (found.has(key)) continue
    const trajectoryId = side === 'base' ? item.base_id : (item.trial_id ?? '')
    const at = { judge: one, trajectoryId, path: path ?? experiment.output_path }
    if ((await startOnce(deps, key, () => deps.judgementOf(experiment, at))) === 'later') return
  }
  if (found.size < wanted.length || [...found.values()].some((row) => !row.ended)) return
  const value = (at: number, side: Side): string | null => {
    const row = found.get(keyOf(at, side))
    return row?.status === 'completed' && row.outputs !== null ? deps.verdictIn(row.outputs) : null
  }
  const verdicts = judges.map(({ name }, at) => [name, { base: value(at, 'base'), candidate: value(at, 'candidate') }])
  const failed = [...found.values()].find(({ status }) => status !== 'completed')
  const judged = isSame ? 'same_output' : failed ? 'unjudged' : 'judged'
  const outcome = item.withheld ? 'stopped_before_effect' : judged
  const reason = failed?.error ?? (item.withheld ? item.error : null)
  await note(deps, experiment, item, {
    ...ended(outcome, reason),
    verdicts: JSON.stringify(Object.fromEntries(verdicts)),
  })
}

/** Open items that one look considers. */
const mostLooked = 5_000

/** Does what can be done for an experiment now. Returns whether anything is under way or left. */
const lookAfter = async (deps: ExperimentsDeps, experiment: ExperimentRow): Promise<void> => {
  const { database, engine } = deps
  if (!(await mayStillWrite(database, experiment))) {
    await cancelItems(database, experiment.id)
    await endExperiment(database, experiment.id, 'stopped', 'The key that asked for it may no longer write here')
    const open = await openRunsOf(database, experiment.id)
    if (open.length > 0)
      await engine.requestEnd(
        open.map(({ id }) => id),
        'cancelled',
        0,
      )
    return
  }
  const items = await openItems(database, experiment.id, mostLooked)
  for (const item of items.filter(({ state, ended: isOver }) => state === 'running' && isOver)) {
    await conclude(deps, experiment, item)
  }
  const open = items.length === 0 ? [] : await openItems(database, experiment.id, mostLooked)
  for (const item of open.filter(({ state }) => state === 'judging')) await judge(deps, experiment, item)
  const waiting = open.filter(({ state }) => state === 'waiting')
  const left = await openItems(database, experiment.id, mostLooked)
  if (left.length === 0) {
    await endExperiment(database, experiment.id, 'completed', null)
    return
  }
  const room = await roomOf(deps, experiment, left)
  const judges = JSON.parse(experiment.judges) as Judge[]
  const isKnown = room.isRunKnown && (judges.length === 0 || room.isJudgementKnown)
  let places = isKnown ? room.places : Math.min(room.places, 1 - active(left).length)
  let affordable = room.left
  for (const item of waiting) {
    if (places <= 0) break
    const cost = costOf(room, judges)
    if (affordable < cost || affordable <= 0) {
      if (active(left).length > 0 || places < room.places) break
      await cancelItems(database, experiment.id)
      await endExperiment(database, experiment.id, 'stopped', 'bound')
      return
    }
    const begun = await begin(deps, experiment, item)
    if (begun === 'later') break
    if (begun === 'ended') continue
    places--
    affordable -= cost
  }
  await putBackExperiment(database, experiment.id, betweenLooksMs)
}

/** Milliseconds between two looks after an experiment. */
const betweenLooksMs = 250

interface Experiments {
  /** Looks for due experiments now, without waiting for a heartbeat. */
  wake(): void
  /** Begins nothing more; resolves when the look under way has ended. */
  stop(): Promise<void>
}

/** Carries experiments on, whichever process began them, until they have ended. */
export const keepTrying = (deps: ExperimentsDeps): Experiments => {
  const { database, engine, log } = deps
  const stopping = new AbortController()
  let looking: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined

  const lookAll = async () => {
    while (!stopping.signal.aborted) {
      const experiment = await claimExperiment(database)
      if (!experiment) return
      await lookAfter(deps, experiment)
      timer ??= setTimeout(() => {
        timer = undefined
        wake()
      }, betweenLooksMs + 10)
    }
  }
  /** A claimed experiment is claimed again when its claim has expired. */
  const complain = (err: unknown): void =>
    log[isDatabaseUnavailable(err) ? 'debug' : 'error']({ err }, 'an experiment was put off')
  const wake = () => {
    if (stopping.signal.aborted) return
    looking ??= lookAll()
      .catch(complain)
      .finally(() => {
        looking = undefined
      })
  }
  engine.lookFor({ condition: isAnyExperimentDue, now: () => new Date(now()), onSeen: wake })
  return {
    wake,
    async stop() {
      stopping.abort()
      clearTimeout(timer)
      await looking
    },
  }
}
