import { z } from 'zod'
import type { LogEvent } from '../model/runs/run-events.ts'
import type { StepSummary } from '../model/runs/step.ts'
import type { RunSummary } from '../model/runs/trajectory.ts'
import { nextCallOf, runSummary } from './run-report.ts'
import { shortJson } from './shorten.ts'
import { callText, type ToolContext } from './tool.ts'
import type { RunName } from './watch-run.ts'

/** Characters of the inputs and of the outputs of the failed step. */
const mostOfValue = 4_000
const logLines = 15

const short = (value: unknown): unknown => JSON.parse(shortJson(value, mostOfValue).text)

/** The last lines of the log of a step. */
const logOf = async ({ call }: ToolContext, workflowId: string, step: string): Promise<string[]> => {
  const query = { step, order: 'desc', limit: logLines }
  const answer = await call('getWorkflowLogs', { params: { workflow_id: workflowId }, query })
  const { events } = answer as { events: LogEvent[] }
  return events.toReversed().map(({ timestamp, level, message }) => `${timestamp} ${level} ${message.slice(0, 500)}`)
}

/** The failed child runs of a run, where its failed step has started some. */
const failedChildren = async ({ call }: ToolContext, run: RunName) => {
  const query = { parent_id: run.trajectory_id, status: ['failed'], limit: 3 }
  const answer = await call('listCollectionRuns', { params: { collection: run.collection }, query })
  const { runs } = answer as { runs: { task: string; trajectory_id: string; error: string | null }[] }
  return runs.map(({ task, trajectory_id, error }) => ({ task, trajectory_id, error: error?.slice(0, 500) ?? null }))
}

/** Everything about one failed step that its error refers to. */
const failureOf = async (context: ToolContext, run: RunName, summary: RunSummary, failed: StepSummary) => {
  const params = { ...run, step: failed.key }
  const detail = (await context.call('getStep', { params })) as Record<string, unknown>
  const children = failed.error_detail?.code === 'child_failed' ? await failedChildren(context, run) : []
  return {
    step: failed.key,
    activity: failed.activity,
    attempts: failed.attempt,
    error: failed.error,
    error_detail: failed.error_detail,
    inputs: short(detail.inputs),
    input_origins: detail.origins,
    outputs: short(detail.outputs),
    last_log_lines: await logOf(context, summary.workflow_id, failed.key),
    ...(children.length > 0 && { failed_children: children }),
  }
}

/** Codes of failures that lie in the workflow, not in the world around it. */
const ofTheWorkflow = new Set(['reference_missing', 'parameter_invalid', 'output_too_large', 'timed_out'])

/** The calls that remedy a failure, in their order. */
const repairs = (run: RunName, code: string | undefined, step: string | undefined): string[] => {
  const task = { collection: run.collection, task: run.task }
  const again = callText('rerun-run', { ...run, ...(step && { from_step: step }) })
  if (code === 'model_unavailable') return ['set-environment-vars with the missing key', again]
  if (code === 'child_failed') return ['explain-run of a failed child', again]
  if (code !== undefined && !ofTheWorkflow.has(code)) {
    return [`${again} if the cause has passed`, `${callText('get-task', task)} if the workflow is wrong`]
  }
  return [
    callText('get-task', task),
    'validate-workflow with the corrected workflow, then update-task',
    callText('rerun-run', { ...run, ...(step && { from_step: step }), version: 'current' }),
  ]
}

/** The members of an explanation. */
export const explanationSchema = z.object({
  status: z.string(),
  error: z.string().nullable(),
  steps: z.record(z.string(), z.string()),
  url: z.string(),
  failed_step: z.record(z.string(), z.unknown()).optional(),
  refused: z.unknown().optional(),
  next: z.array(z.string()),
})

/** Explains the state of a run: why it failed, with what the failed step read, and what to do next. */
export const explainRun = async (context: ToolContext, run: RunName): Promise<Record<string, unknown>> => {
  const summary = await runSummary(context, run)
  const steps = Object.values(summary.steps)
  const failed = steps.find(({ status }) => status === 'failed')
  const { status, error, error_detail: refusal, url } = summary
  const code = failed?.error_detail?.code ?? refusal?.code
  const base = {
    status,
    error,
    steps: Object.fromEntries(steps.map((step) => [step.key, step.status])),
    url,
  }
  if (status !== 'failed') return { ...base, next: [nextCallOf(run, summary)] }
  return {
    ...base,
    ...(failed
      ? { failed_step: await failureOf(context, run, summary, failed) }
      : { refused: refusal ?? 'before its first step' }),
    next: repairs(run, code, failed?.key),
  }
}
