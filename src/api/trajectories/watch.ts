import type { ServerEvent } from '../../http/events.ts'
import { type RunAtOnce, type RunRow, runAtOnce, type StepRecord, stepChanges } from '../../store/runs.ts'
import { makeBell } from '../events/bell.ts'
import type { Pulse } from '../events/pulse.ts'
import { stepText, trajectoryText } from './document.ts'
import type { DocumentDeps } from './documents.ts'
import { stepEvents } from './log-events.ts'

const stepsAtOnce = 200

/**
 * One run as server-sent events. Everything is read from storage, so that any process can serve it: the id of an
 * event is the number of the change it reports. Without `after` a snapshot comes first; then what changes, transitions
 * in between merged; last `end`, once the run has ended.
 */
export async function* watchRun(
  deps: DocumentDeps & { pulse: Pulse },
  found: RunRow,
  after: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<ServerEvent> {
  const { database } = deps
  const bell = makeBell(signal)
  let seen = after ?? 0
  const unwatch = deps.pulse.watch(found.id, (newest) => {
    if (newest === undefined || newest > seen) bell.ring()
  })
  try {
    let fromSeq = 0
    if (after === undefined) {
      const run = await runAtOnce(database, found.id, 0)
      if (!run) return
      const steps = await allSteps(deps, run)
      const definition = await deps.definitions(run.definition)
      seen = run.newest
      fromSeq = openFrom(steps, 0)
      yield { id: seen, event: 'snapshot', data: trajectoryText(run, steps, definition, deps.links.publicUrl) }
    }
    while (!signal.aborted) {
      bell.hush()
      const run = await runAtOnce(database, found.id, fromSeq)
      if (!run) return
      const changes = { runKey: run.id, fromSeq, after: seen, until: run.newest, limit: stepsAtOnce }
      const steps = run.newest > seen ? await stepChanges(database, changes) : []
      const complete = steps.length < stepsAtOnce
      for (const change of inOrder(run, steps, seen, complete)) yield* eventsOf(deps, run, change)
      seen = complete ? Math.max(seen, run.newest) : (steps.at(-1)?.changed ?? seen)
      fromSeq = openFrom(steps, fromSeq)
      if (!complete) continue
      if (run.ended_at) return yield { event: 'end', data: statusText(run) }
      await bell.heard()
    }
  } finally {
    unwatch()
  }
}

/** Something of a run that changed, with its number; a status whose number is behind has none. */
interface Change {
  number: number | undefined
  of: StepRecord | 'status' | 'labels'
}

/** What changed, by its numbers; the end of the run after everything else, for after it nobody listens. */
const inOrder = (run: RunAtOnce, steps: StepRecord[], seen: number, complete: boolean): Change[] => {
  const until = complete ? run.newest : (steps.at(-1)?.changed ?? seen)
  const isDue = (number: number) => number > seen && number <= until
  const changes: Change[] = steps.map((step) => ({ number: step.changed, of: step }))
  if (isDue(run.labels_changed)) changes.push({ number: run.labels_changed, of: 'labels' })
  const isOver = run.ended_at !== null
  if (!isOver && isDue(run.changed)) changes.push({ number: run.changed, of: 'status' })
  changes.sort((left, right) => (left.number ?? 0) - (right.number ?? 0))
  if (isOver && complete && run.changed > seen) {
    // The end and the last step are written together, in any order; labels may have come later.
    const isBehind = run.changed < (changes.at(-1)?.number ?? 0)
    changes.push({ number: isBehind ? undefined : run.changed, of: 'status' })
  }
  return changes
}

async function* eventsOf(deps: DocumentDeps, run: RunRow, { number, of }: Change): AsyncGenerator<ServerEvent> {
  const id = number === undefined ? {} : { id: number }
  if (of === 'status') yield { ...id, event: 'status', data: statusText(run) }
  else if (of === 'labels') yield { ...id, event: 'label', data: labelsEventText(run) }
  else {
    const definition = await deps.definitions(run.definition)
    for (const log of stepEvents(of, definition)) {
      if (log.level !== 'info') yield { event: 'log', data: JSON.stringify(log) }
    }
    yield { ...id, event: 'step', data: stepText(run, of, definition) }
  }
}

/** The first step that may still change. */
const openFrom = (steps: StepRecord[], before: number): number => {
  const open = steps.filter((step) => step.ended_at === null).map((step) => step.seq)
  if (open.length > 0) return Math.min(...open)
  return Math.max(before, ...steps.slice(-1).map((step) => step.seq))
}

const allSteps = async (deps: DocumentDeps, run: RunAtOnce): Promise<StepRecord[]> => {
  const at = { runKey: run.id, fromSeq: 0, after: 0, until: run.newest, limit: 1_000_000 }
  return (await stepChanges(deps.database, at)).sort((left, right) => left.seq - right.seq)
}

const statusText = (run: RunRow): string =>
  JSON.stringify({ trajectory_id: run.trajectory_id, status: run.status, error: run.error })

/** All labels, not the one that changed: so it tells of removed ones as well, and may be told twice. */
const labelsEventText = (run: RunRow): string =>
  `{"trajectory_id":${JSON.stringify(run.trajectory_id)},"labels":${run.labels}}`
