import { z } from 'zod'
import type { RunSummary } from '../model/runs/trajectory.ts'
import { callText, type ToolContext } from './tool.ts'
import type { RunName } from './watch-run.ts'

const mostFiles = 20

/** Reads a run without inputs and outputs of its steps. */
export const runSummary = async ({ call }: Pick<ToolContext, 'call'>, run: RunName): Promise<RunSummary> =>
  (await call('getTrajectory', { params: run, query: { view: 'summary' } })) as RunSummary

/** The call that comes next for a run in this state. */
export const nextCallOf = (run: RunName, { status, waiting }: Pick<RunSummary, 'status' | 'waiting'>): string => {
  const [first] = waiting ?? []
  if (first) return callText('decide-approval', { ...run, step: first.step })
  if (status === 'running' || status === 'pending') return callText('wait-for-run', run)
  if (status === 'failed') return callText('explain-run', run)
  return callText('read-step', { ...run, step: '<step>' })
}

/** Outputs of the last step that completed: what a run is for. */
const outputsOf = async ({ call }: ToolContext, run: RunName, summary: RunSummary) => {
  const last = Object.values(summary.steps).findLast(({ status }) => status === 'completed')
  if (!last) return {}
  const { outputs } = (await call('getStep', { params: { ...run, step: last.key } })) as { outputs: unknown }
  return { last_step: last.key, outputs }
}

const filesOf = async ({ call }: ToolContext, run: RunName) => {
  const answer = await call('listRunFiles', { params: run, query: { limit: mostFiles } })
  const { files } = answer as { files: { path: string; size: number }[] }
  return files.length === 0 ? {} : { files: files.map(({ path, size }) => ({ path, size })) }
}

/** The members of a report. */
export const runReportSchema = z.object({
  collection: z.string(),
  task: z.string(),
  trajectory_id: z.string(),
  status: z.string(),
  error: z.string().optional(),
  waiting: z.array(z.unknown()).optional(),
  duration_seconds: z.number().nullable(),
  cost_usd: z.number().nullable(),
  steps: z.record(z.string(), z.string()),
  last_step: z.string().optional(),
  outputs: z.unknown().optional(),
  files: z.array(z.unknown()).optional(),
  warnings: z.array(z.unknown()).optional(),
  url: z.string(),
  next: z.string(),
})

/** Describes a run for a model: its status, its result, its files, and the next call. */
export const runReport = async (context: ToolContext, run: RunName) => {
  const summary = await runSummary(context, run)
  const { status, error, waiting, duration_seconds, cost_usd, url } = summary
  const isOver = summary.ended !== null
  return {
    ...run,
    status,
    ...(error !== null && { error }),
    ...(waiting && { waiting: waiting.map(({ step, message, since }) => ({ step, message, since })) }),
    duration_seconds,
    cost_usd,
    steps: Object.fromEntries(Object.values(summary.steps).map((step) => [step.key, step.status])),
    ...(isOver && (await outputsOf(context, run, summary))),
    ...(isOver && (await filesOf(context, run))),
    url,
    next: nextCallOf(run, summary),
  }
}
