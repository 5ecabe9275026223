import type { RunSummaryEvent } from '../../src/model/runs/run-events.ts'
import type { Run, RunStep } from './run.ts'

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
    } else if (one.event === 'progress' || one.event === 'job') {
      const { step: name, ...live } = one.data
      const step = (steps ?? next.steps)[name]
      if (step) {
        steps ??= { ...next.steps }
        steps[name] = { ...step, [one.event]: live }
      }
    } else if (one.event === 'status' || one.event === 'end' || one.event === 'label') next = { ...next, ...one.data }
  }
  return next && steps ? { ...next, steps, ...totalsOf(Object.values(steps)) } : next
}

/** What a run says of its steps together: only a snapshot has it, and each step changes it. */
const totalsOf = (steps: readonly RunStep[]): Pick<Run, 'completed_steps' | 'usage' | 'cost_usd'> => {
  const called = steps.flatMap(({ usage, cost_usd: cost = null }) => (usage ? [{ ...usage, cost }] : []))
  const sum = (read: (one: (typeof called)[number]) => number) => called.reduce((total, one) => total + read(one), 0)
  return {
    completed_steps: steps.filter(({ status }) => status === 'completed').map(({ key }) => key),
    usage:
      called.length === 0
        ? null
        : {
            prompt_tokens: sum((one) => one.prompt_tokens),
            completion_tokens: sum((one) => one.completion_tokens),
            total_tokens: sum((one) => one.total_tokens),
          },
    cost_usd: called.length === 0 || called.some(({ cost }) => cost === null) ? null : sum(({ cost }) => cost ?? 0),
  }
}
