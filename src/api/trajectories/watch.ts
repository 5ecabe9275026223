import type { Engine } from '../../engine/engine.ts'
import type { ServerEvent } from '../../http/events.ts'
import { pause } from '../../lib/time.ts'
import { type RunRow, runAtOnce, type StepRecord, stepChanges } from '../../store/runs.ts'
import { stepText, trajectoryText } from './document.ts'
import type { DocumentDeps } from './documents.ts'
import { stepEvents } from './log-events.ts'

/** Without news from this process a run is looked at this often: another one may be working on it. */
const lookEveryMs = 500
const stepsAtOnce = 200

/**
 * One run as server-sent events. Everything is read from storage, so that any process can serve it: the id of an
 * event is the number of the change it reports. Without `after` a snapshot comes first; then what changes, transitions
 * in between merged; last `end`, once the run has ended.
 */
export async function* watchRun(
  deps: DocumentDeps & { engine: Engine },
  found: RunRow,
  after: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<ServerEvent> {
  const { database, engine } = deps
  let wake = () => {}
  let news = true
  const unwatch = engine.watch(found.id, () => {
    news = true
    wake()
  })
  try {
    let seen = after ?? 0
    let fromSeq = 0
    if (after === undefined) {
      const run = await runAtOnce(database, found.id)
      if (!run) return
      const steps = await allSteps(deps, run)
      const definition = await deps.definitions(run.definition)
      seen = run.newest
      fromSeq = openFrom(steps, 0)
      yield { id: seen, event: 'snapshot', data: trajectoryText(run, steps, definition, deps.links.publicUrl) }
    }
    while (!signal.aborted) {
      news = false
      const run = await runAtOnce(database, found.id)
      if (!run) return
      const definition = await deps.definitions(run.definition)
      const changes = { runKey: run.id, fromSeq, after: seen, until: run.newest, limit: stepsAtOnce }
      const steps = run.newest > seen ? await stepChanges(database, changes) : []
      const complete = steps.length < stepsAtOnce
      for (const event of inOrder(run, steps, seen, complete)) {
        if (event === 'run') {
          // The end and the last step are written together, in any order: an id that is behind is left out.
          const behind = run.changed < (steps.at(-1)?.changed ?? 0) && run.ended_at !== null
          yield { ...(behind ? {} : { id: run.changed }), event: 'status', data: statusText(run) }
        } else {
          for (const log of stepEvents(event, definition)) {
            if (log.level !== 'info') yield { event: 'log', data: JSON.stringify(log) }
          }
          yield { id: event.changed, event: 'step', data: stepText(run, event, definition) }
        }
      }
      seen = complete ? Math.max(seen, run.newest) : (steps.at(-1)?.changed ?? seen)
      fromSeq = openFrom(steps, fromSeq)
      if (!complete) continue
      if (run.ended_at) return yield { event: 'end', data: statusText(run) }
      if (!news) await waitForNews((listener) => (wake = listener), signal)
    }
  } finally {
    unwatch()
  }
}

/** Changed rows by their numbers; the run's own change among them, and its end after everything else. */
const inOrder = (run: RunRow, steps: StepRecord[], seen: number, complete: boolean): (StepRecord | 'run')[] => {
  if (run.changed <= seen) return steps
  if (run.ended_at !== null) return complete ? [...steps, 'run'] : steps // the last word: after it nobody listens
  const at = steps.findIndex((step) => step.changed > run.changed)
  if (at < 0) return complete ? [...steps, 'run'] : steps
  return [...steps.slice(0, at), 'run', ...steps.slice(at)]
}

/** The first step that may still change. */
const openFrom = (steps: StepRecord[], before: number): number => {
  const open = steps.filter((step) => step.ended_at === null).map((step) => step.seq)
  if (open.length > 0) return Math.min(...open)
  return Math.max(before, ...steps.slice(-1).map((step) => step.seq))
}

const allSteps = async (deps: DocumentDeps, run: RunRow & { newest: number }): Promise<StepRecord[]> => {
  const at = { runKey: run.id, fromSeq: 0, after: 0, until: run.newest, limit: 1_000_000 }
  return (await stepChanges(deps.database, at)).sort((left, right) => left.seq - right.seq)
}

const statusText = (run: RunRow): string =>
  JSON.stringify({ trajectory_id: run.trajectory_id, status: run.status, error: run.error })

const waitForNews = async (onListen: (listener: () => void) => void, signal: AbortSignal): Promise<void> => {
  const stop = new AbortController()
  const end = () => stop.abort()
  onListen(end)
  signal.addEventListener('abort', end, { once: true })
  await pause(lookEveryMs, stop.signal)
  signal.removeEventListener('abort', end)
}
