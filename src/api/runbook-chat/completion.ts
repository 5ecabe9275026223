import { isObject, parsedObject } from '../../lib/json/json-object.ts'
import type { TrialLeft } from '../../model/collections/trial.ts'
import type { RunbookChatMetadata } from '../../model/runbooks/runbook-chat.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { RunRow } from '../../store/runs/runs.ts'
import type { StepRecord } from '../../store/runs/step-row.ts'
import { identityOf, trajectoryUrl } from '../trajectories/document.ts'

/** Token counts as in OpenAI's answers. */
interface ChatUsage {
  prompt_tokens: number
  completion_tokens: number
  total_tokens: number
}

/** A run as its chat reports it. */
export interface ChatRun {
  run: RunRow
  publicUrl: string
  /** Model name of the request. */
  model: string
  trial: TrialLeft | undefined
}

export const metadataOf = ({ run, publicUrl, trial }: ChatRun, status: RunStatus = run.status): RunbookChatMetadata => {
  const { trajectory_id, workflow_id, collection, task } = identityOf(run)
  const at = `${collection}/${task}/${trajectory_id}`
  return {
    mode: 'runbook',
    status,
    trajectory_id,
    workflow_id,
    collection,
    task,
    poll_url: `/api/v1/db/trajectory/${at}`,
    events_url: `/api/v1/trajectory/${at}/events`,
    url: trajectoryUrl(run, publicUrl),
    ...(trial && { trial }),
  }
}

/** Headers that identify the run. */
export const runHeaders = ({ run }: ChatRun): Record<string, string> => ({
  'x-jetty-trajectory-id': run.trajectory_id,
  'x-jetty-workflow-id': run.workflow_id,
})

const outputsOf = ({ outputs }: StepRecord): Record<string, unknown> => parsedObject(outputs ?? '') ?? {}

const countOf = (value: unknown): number => (typeof value === 'number' && value > 0 ? Math.round(value) : 0)

/** Total usage of all steps. */
export const usageOf = (steps: StepRecord[]): ChatUsage => {
  const sum = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }
  for (const step of steps) {
    const { usage } = outputsOf(step)
    if (!isObject(usage)) continue
    sum.prompt_tokens += countOf(usage.prompt_tokens)
    sum.completion_tokens += countOf(usage.completion_tokens)
  }
  return { ...sum, total_tokens: sum.prompt_tokens + sum.completion_tokens }
}

const filesText = (count: number): string => `${count} result file${count === 1 ? '' : 's'}`

/** Final message of the assistant: the last text of a step, or why the run failed. */
export const finalText = (run: Pick<RunRow, 'status' | 'error'>, steps: StepRecord[]): string => {
  if (run.status !== 'completed') return run.error ?? `Workflow ${run.status}`
  const outputs = steps.filter(({ status }) => status === 'completed').map(outputsOf)
  const text = outputs.findLast((one) => typeof one.text === 'string' && one.text !== '')?.text
  if (typeof text === 'string') return text
  const files = outputs.findLast((one) => Array.isArray(one.results_files))?.results_files
  return `Workflow completed${Array.isArray(files) ? `: ${filesText(files.length)}` : ''}`
}

export const chunkId = ({ run }: ChatRun): string => `chatcmpl-${run.trajectory_id}`
export const createdSeconds = ({ run }: ChatRun): number => Math.floor(run.created_at.getTime() / 1000)

/** Non-streamed answer. `ended` is undefined while the run continues. */
export const completionOf = (of: ChatRun, ended: { run: RunRow; steps: StepRecord[] } | undefined) => {
  const metadata = metadataOf(of, ended?.run.status ?? 'running')
  return {
    id: ended ? chunkId(of) : `chatcmpl-${of.run.workflow_id}`,
    object: 'chat.completion',
    created: createdSeconds(of),
    model: of.model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: ended ? finalText(ended.run, ended.steps) : '', refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: usageOf(ended?.steps ?? []),
    jetty_metadata: metadata,
    trajectory_id: metadata.trajectory_id,
    workflow_id: metadata.workflow_id,
    jetty: metadata,
  }
}
