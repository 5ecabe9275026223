import type { RunSummaryEvent } from '../../src/model/runs/run-events.ts'
import type { Run } from './run.ts'

/** Applies the events of one frame to a run. Returns the same run where nothing of it changed. */
export const applyRunEvents = (run: Run | undefined, events: readonly RunSummaryEvent[]): Run | undefined => {
  let next = run
  let steps: Run['steps'] | undefined
  for (const one of events) {
    if (one.event === 'snapshot') {
      next = one.data
      steps = undefined
    }
    if (!next) continue
    if (one.event === 'step') {
      steps ??= { ...next.steps }
      steps[one.data.key] = one.data
    } else if (one.event === 'progress') {
      const { step: name, ...progress } = one.data
      const step = (steps ?? next.steps)[name]
      if (step) {
        steps ??= { ...next.steps }
        steps[name] = { ...step, progress }
      }
    } else if (one.event === 'status' || one.event === 'end' || one.event === 'label') next = { ...next, ...one.data }
  }
  return next && steps ? { ...next, steps, completed_steps: completedOf(next, steps) } : next
}

/** The steps that have completed, as a document would list them: events tell of each step alone. */
const completedOf = ({ completed_steps: listed }: Run, steps: Run['steps']): string[] => {
  const done = Object.values(steps).flatMap(({ key, status }) => (status === 'completed' ? [key] : []))
  return done.length > listed.length ? done : listed
}
