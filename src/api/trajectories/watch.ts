import type { ServerEvent } from '../../http/events.ts'
import { makeBell } from '../../lib/bell.ts'
import { objectText, WrittenJson } from '../../lib/json/object-text.ts'
import { approvalActivity } from '../../model/runs/approval.ts'
import type { EventData, LogEvent } from '../../model/runs/run-events.ts'
import type { Queries } from '../../store/database/database.ts'
import { withInitParams, withLargeValues } from '../../store/runs/payloads.ts'
import { type RunAtOnce, type RunRow, runAtOnce } from '../../store/runs/runs.ts'
import { type StepEventRow, stepEventsAfter } from '../../store/runs/step-events.ts'
import { allSteps, stepChanges, storedStepsAt } from '../../store/runs/step-records.ts'
import type { StepRecord, StoredStep } from '../../store/runs/step-row.ts'
import type { Pulse } from '../events/pulse.ts'
import { agentLogEvent } from './agent-events.ts'
import type { ShownDefinition } from './definitions.ts'
import { type ReadyTimes, readyTimesOf, stepSummaryText, stepText } from './document.ts'
import { type AnswerMemory, type DocumentDeps, holdDocument, notCounted, wholeText } from './documents.ts'
import { endedProgressOf, isFanningOut, isFanOut, isWithWorker, itemsOf, jobsOf, progressOf } from './live-steps.ts'
import { stepEvents } from './log-events.ts'
import { runSummaryText } from './run-summary.ts'
import { waitingOf } from './waiting.ts'

/** The activity as the JSON text that a definition shows. */
const waitsForPerson = JSON.stringify(approvalActivity)
const stepsAtOnce = 200
const eventsAtOnce = 500
/** Interval of progress events of fan-outs and of jobs of workers. */
const progressMs = 1_000

interface RunWatch {
  /** Id of the last event that the client has; undefined for none. */
  after: number | undefined
  /** `summary`: events of steps omit their values. */
  view: 'full' | 'summary'
  signal: AbortSignal
  memory?: AnswerMemory
}

/**
 * Streams a run as server-sent events. It reads everything from the database, so any process can serve it. The id of an
 * event is the number of the change that it reports. Without `after` the stream begins with a snapshot. Changes follow,
 * with intermediate transitions merged, and `end` once the run has ended.
 */
export async function* watchRun(
  deps: DocumentDeps & { pulse: Pulse },
  found: RunRow,
  { after, view, signal, memory = notCounted }: RunWatch,
): AsyncGenerator<ServerEvent> {
  const { database } = deps
  const bell = makeBell(signal)
  let seen = after ?? 0
  const unwatch = deps.pulse.watch(found.id, (newest) => {
    if (newest === undefined || newest > seen) bell.ring()
  })
  try {
    const { isParallel } = await deps.definitions(found.definition)
    let fromSeq = 0
    const told: Told = new Map()
    const live: LiveSteps = { fanOuts: new Map(), jobs: new Map() }
    if (after === undefined) {
      const run = await runAtOnce(database, found.id, 0)
      if (!run) return
      const steps = await allSteps(database, run.id, { view, until: run.newest })
      const { take, end } = holdDocument(memory)
      const definition = await deps.definitions(run.definition)
      seen = run.newest
      fromSeq = isParallel ? 0 : openFrom(steps, 0)
      noteLive(live, steps, definition)
      for (const step of steps) if (step.ended_at === null) told.set(step.seq, toldOf(step, definition).length)
      const snapshot = async () => {
        if (view === 'summary') return runSummaryText(deps, run, steps, definition, take)
        const whole = await withInitParams(database, run, take)
        return wholeText(deps, whole, await withLargeValues(database, steps, take), definition, seen)
      }
      yield { id: seen, event: 'snapshot', data: await snapshot() }
      end()
    }
    while (!signal.aborted) {
      bell.hush()
      const run = await runAtOnce(database, found.id, fromSeq)
      if (!run) return
      const { steps, events, until } = await newsOf(database, run, { fromSeq, after: seen, view })
      const complete = until === run.newest
      const readyAt = await readyTimesOf(database, run, steps, await deps.definitions(run.definition))
      for (const change of inOrder(run, steps, events, seen, until)) {
        yield* eventsOf(deps, run, change, { told, memory, view, readyAt })
      }
      noteLive(live, steps, await deps.definitions(run.definition))
      seen = Math.max(seen, until)
      fromSeq = isParallel ? 0 : openFrom(steps, fromSeq)
      if (!complete) continue
      if (run.ended_at) return yield { event: 'end', data: statusText(run) }
      await bell.heard(live.fanOuts.size + live.jobs.size > 0 ? progressMs : undefined)
      yield* progressEvents(database, live.fanOuts, memory)
      yield* jobEvents(database, found.id, live.jobs)
    }
  } finally {
    unwatch()
  }
}

/** Steps that wait for child runs or for a worker, with what was sent of them last. */
interface LiveSteps {
  fanOuts: Map<number, { step: StoredStep; total?: number | null; told: string }>
  jobs: Map<number, { name: string; told: string }>
}

/** A step that has changed was sent without its progress, so that is sent again. */
const noteLive = ({ fanOuts, jobs }: LiveSteps, steps: StoredStep[], definition: ShownDefinition): void => {
  for (const step of steps) {
    if (isFanningOut(step, definition)) fanOuts.set(step.seq, { ...fanOuts.get(step.seq), step, told: '' })
    else fanOuts.delete(step.seq)
    if (isWithWorker(step, definition)) jobs.set(step.seq, { name: step.name, told: '' })
    else jobs.delete(step.seq)
  }
}

/** Yields what workers say of their jobs. It does not change the row of the step, so a query reads it once a second. */
async function* jobEvents(database: Queries, runKey: string, jobs: LiveSteps['jobs']): AsyncGenerator<ServerEvent> {
  if (jobs.size === 0) return
  for (const [seq, job] of await jobsOf(database, runKey, [...jobs.keys()])) {
    const one = jobs.get(seq)
    if (!one) continue
    const text = JSON.stringify({ step: one.name, ...job } satisfies EventData['job'])
    if (text !== one.told) yield { event: 'job', data: text }
    one.told = text
  }
}

/**
 * Yields the progress of fan-outs. A child that ends does not change its parent's row, so a query counts the children
 * once a second.
 */
async function* progressEvents(
  database: Queries,
  fanOuts: LiveSteps['fanOuts'],
  memory: AnswerMemory,
): AsyncGenerator<ServerEvent> {
  for (const one of fanOuts.values()) {
    if (one.total === undefined) one.total = await countItems(database, one.step, memory)
    const progress: EventData['progress'] = {
      step: one.step.name,
      ...(await progressOf(database, one.step, one.total)),
    }
    const text = JSON.stringify(progress)
    if (text !== one.told) yield { event: 'progress', data: text }
    one.told = text
  }
}

/** Read once: the items themselves may be large. */
const countItems = async (database: Queries, step: StoredStep, memory: AnswerMemory): Promise<number | null> => {
  const { take, end } = holdDocument(memory)
  const [whole] = await withLargeValues(database, await storedStepsAt(database, step.run_id, [step.seq]), take)
  end()
  return whole ? itemsOf(whole) : null
}

interface News {
  steps: StoredStep[]
  events: StepEventRow[]
  /** All changes up to this number are in it. */
  until: number
}

/** Reads the changes of a run after `after`: its steps and the events of their agents, up to a limit. */
const newsOf = async (
  database: Queries,
  run: RunAtOnce,
  { fromSeq, after, view }: { fromSeq: number; after: number; view: RunWatch['view'] },
): Promise<News> => {
  if (run.newest <= after) return { steps: [], events: [], until: run.newest }
  const changes = { runKey: run.id, after, until: run.newest }
  const steps = await stepChanges(database, { ...changes, fromSeq, limit: stepsAtOnce, view })
  let until = steps.length < stepsAtOnce ? run.newest : (steps.at(-1)?.changed ?? after)
  if ((run.events_changed ?? 0) <= after) return { steps, events: [], until }
  const { events, complete } = await stepEventsAfter(database, { ...changes, until, limit: eventsAtOnce })
  if (!complete) until = events.at(-1)?.changed ?? after
  return { steps: steps.filter(({ changed }) => changed <= until), events, until }
}

/** Something of a run that changed, with its number; a status whose number is behind has none. */
interface Change {
  number: number | undefined
  of: StoredStep | StepEventRow | 'status' | 'labels'
}

/** Sorts changes by number. The end of the run comes last, because clients disconnect after it. */
const inOrder = (
  run: RunAtOnce,
  steps: StoredStep[],
  events: StepEventRow[],
  seen: number,
  until: number,
): Change[] => {
  const isDue = (number: number) => number > seen && number <= until
  const changes = [...steps, ...events].map((of): Change => ({ number: of.changed, of }))
  if (isDue(run.labels_changed)) changes.push({ number: run.labels_changed, of: 'labels' })
  const isOver = run.ended_at !== null
  if (!isOver && isDue(run.changed)) changes.push({ number: run.changed, of: 'status' })
  changes.sort((left, right) => (left.number ?? 0) - (right.number ?? 0))
  if (isOver && until === run.newest && run.changed > seen) {
    // The end and the last step are written together, in any order, and labels may have changed later.
    const isBehind = run.changed < (changes.at(-1)?.number ?? 0)
    changes.push({ number: isBehind ? undefined : run.changed, of: 'status' })
  }
  return changes
}

/** Number of events sent for each running step, so that the end of the step does not send them again. */
type Told = Map<number, number>

/** Selects the events that the state of a step does not imply. */
const toldOf = (step: StepRecord, definition: ShownDefinition): LogEvent[] =>
  stepEvents(step, definition).filter(({ level, type }) => level !== 'info' || !type.startsWith('step_'))

async function* eventsOf(
  deps: DocumentDeps,
  run: RunRow,
  { number, of }: Change,
  { told, memory, view, readyAt }: { told: Told; memory: AnswerMemory; view: RunWatch['view']; readyAt: ReadyTimes },
): AsyncGenerator<ServerEvent> {
  const id = number === undefined ? {} : { id: number }
  if (of === 'status') yield { ...id, event: 'status', data: statusText(run) }
  else if (of === 'labels') yield { ...id, event: 'label', data: labelsEventText(run) }
  else {
    const definition = await deps.definitions(run.definition)
    if ('event' in of) return yield { ...id, event: 'log', data: JSON.stringify(agentLogEvent(of, definition)) }
    const logs = toldOf(of, definition)
    for (const log of logs.slice(told.get(of.seq) ?? 0)) yield { event: 'log', data: JSON.stringify(log) }
    if (of.ended_at === null) told.set(of.seq, logs.length)
    else told.delete(of.seq)
    if (view === 'summary') {
      const isEndedFanOut = of.ended_at !== null && isFanOut(of, definition)
      const progress = isEndedFanOut ? await endedProgressOf(deps.database, of) : undefined
      yield { ...id, event: 'step', data: stepSummaryText(of, definition, { readyAt: readyAt(of), progress }) }
    } else {
      const { take, end } = holdDocument(memory)
      const [step] = await withLargeValues(deps.database, [of], take)
      if (step) yield { ...id, event: 'step', data: stepText(run, step, definition, { readyAt: readyAt(of) }) }
      end()
    }
    // The status stays `running` while a step waits for a decision, so it is sent again when the wait begins and ends.
    if (definition.step(of.name).activity === waitsForPerson) yield { event: 'status', data: statusText(run) }
  }
}

/** The first step that may still change. */
const openFrom = (steps: StepRecord[], before: number): number => {
  const open = steps.filter((step) => step.ended_at === null).map((step) => step.seq)
  if (open.length > 0) return Math.min(...open)
  return Math.max(before, ...steps.slice(-1).map((step) => step.seq))
}

const statusText = (run: RunRow): string =>
  JSON.stringify({
    trajectory_id: run.trajectory_id,
    status: run.status,
    waiting: waitingOf(run),
    error: run.error,
  } satisfies EventData['status'])

/** Lists all labels, so that the event also reports removed ones and may be sent twice. */
const labelsEventText = (run: RunRow): string =>
  objectText<EventData['label']>({ trajectory_id: run.trajectory_id, labels: new WrittenJson(run.labels) })
