import { follow } from '../client/follow.ts'
import type { RunSummaryEvent } from '../model/runs/run-events.ts'
import type { ToolContext } from './tool.ts'

/** The parameters that name a run. */
export type RunName = { collection: string; task: string; trajectory_id: string }

/** How long a call waits for a run, by default and at most. Longer ones time out in common clients. */
export const waitSeconds = { default: 120, most: 600 } as const

/** Reports how far a run is. What is reported only grows, also within a step. */
const makeReport = ({ progress }: ToolContext) => {
  let total: number | undefined
  let done = 0
  let told = 0
  const ended = new Set<string>()
  return {
    of: (steps: number) => {
      total = steps
    },
    step: (name: string, status: string) => {
      if (status === 'running' || status === 'pending' || ended.has(name)) return
      ended.add(name)
      done++
      told = 0
    },
    tell: (message: string) => {
      const reached = done + told / (told + 1)
      told++
      progress(reached, total && Math.max(total, Math.ceil(reached)), message)
    },
  }
}

/** Why waiting ended. */
type WaitEnd = 'ended' | 'approval' | 'timeout'

/**
 * Watches a run until it has ended, waits for a person, or `seconds` are over, and reports progress. The run goes on when
 * the client cancels.
 */
export const watchRun = async (context: ToolContext, run: RunName, seconds: number): Promise<WaitEnd> => {
  const late = AbortSignal.timeout(seconds * 1000)
  const signal = AbortSignal.any([context.signal, late])
  const report = makeReport(context)
  const open = (headers: Record<string, string>, aborted: AbortSignal) =>
    context.open('watchTrajectory', { params: run, query: { view: 'summary' }, headers, signal: aborted })
  let isWaiting = false
  for await (const event of follow<RunSummaryEvent>(open, { signal })) {
    if (event.event === 'end') return 'ended'
    if (event.event === 'snapshot') {
      report.of(event.data.total_steps.length)
      for (const step of Object.values(event.data.steps)) report.step(step.key, step.status)
      isWaiting = event.data.waiting !== null
      report.tell(`the run is ${event.data.status}`)
    } else if (event.event === 'step') {
      report.step(event.data.key, event.data.status)
      report.tell(`step ${event.data.key} is ${event.data.status}`)
    } else if (event.event === 'progress') {
      report.tell(`step ${event.data.step}: ${event.data.ended} of ${event.data.total ?? event.data.begun} runs ended`)
    } else if (event.event === 'job') {
      const { step, progress, message } = event.data
      const done = progress === null ? '' : ` ${Math.floor(progress * 100)} %`
      if (done || message) report.tell(`step ${step}:${done} ${message ?? 'done'}`)
    } else if (event.event === 'status') {
      isWaiting = event.data.waiting !== null
    }
    if (isWaiting) return 'approval'
  }
  context.signal.throwIfAborted()
  return 'timeout'
}
