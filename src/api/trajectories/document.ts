import { timestamp, timestampOrNull } from '../../lib/time.ts'
import type { StepProgress } from '../../model/runs/trajectory.ts'
import type { WholeRun } from '../../store/runs/large-values.ts'
import type { RunSummaryRow, StepSummary } from '../../store/runs/run-lists.ts'
import type { RunRow, StepRecord } from '../../store/runs/runs.ts'
import type { ShownDefinition } from './definitions.ts'
import { withDivergence } from './divergence.ts'
import { waitingOf } from './waiting.ts'

/**
 * The trajectory document, put together as text: inputs and outputs are stored as JSON and are copied,
 * not parsed, so that a list of long runs costs little more than reading it.
 */
export const trajectoryText = (
  run: WholeRun,
  steps: StepRecord[],
  definition: ShownDefinition,
  publicUrl: string,
  progress?: ReadonlyMap<number, StepProgress>,
): string => {
  const shown = steps.map(
    (step) => `${JSON.stringify(step.name)}:${stepText(run, step, definition, progress?.get(step.seq))}`,
  )
  const whole = `"init_params":${run.init_params},"step_configs":${definition.stepConfigs},`
  return outline(withDivergence(run, steps), steps, definition, publicUrl, shown, whole)
}

/** What a list that people look at shows of a run: no inputs, outputs or configs. */
export const summaryText = (
  run: RunSummaryRow,
  steps: StepSummary[],
  definition: ShownDefinition,
  publicUrl: string,
): string => {
  const shown = steps.map((step) => {
    const head = JSON.stringify(stepHead(step)).slice(1)
    return `${JSON.stringify(step.name)}:{"activity":${definition.step(step.name).activity},${head}`
  })
  return outline(run, steps, definition, publicUrl, shown, '')
}

/** A document around its steps, and around the members that only the whole one has. */
const outline = (
  run: RunSummaryRow,
  steps: StepSummary[],
  definition: ShownDefinition,
  publicUrl: string,
  shown: string[],
  whole: string,
): string => {
  const updated = run.ended_at ?? lastChange(steps) ?? run.started_at ?? run.created_at
  const head = {
    ...identityOf(run),
    status: run.status,
    waiting: waitingOf(run),
    attributes: {
      asset_type: 'trajectory',
      asset_filename: `${run.trajectory_id}.json`,
      created: timestamp(run.created_at),
      params: run.params === null ? {} : (JSON.parse(run.params) as unknown),
    },
    created: timestamp(run.created_at),
    updated: timestamp(updated),
    started: timestampOrNull(run.started_at),
    ended: timestampOrNull(run.ended_at),
    duration_seconds: secondsBetween(run.started_at, run.ended_at),
    author: run.author,
    recorded_by: run.recorded_by,
    metadata_uri: '',
  }
  const tail = {
    org_id: null,
    error: run.error,
    triggered_by_routine_id: run.routine_id,
    webhook_url: run.webhook_url,
    trial: run.trial ?? null,
    url: trajectoryUrl(run, publicUrl),
  }
  const completed = steps.filter((step) => step.status === 'completed')
  if (definition.isParallel) completed.sort((one, other) => Number(one.ended_at) - Number(other.ended_at))
  const names = completed.map((step) => step.name)
  const refusal = run.status === 'failed' ? (run.refusal ?? 'null') : 'null'
  return (
    `${JSON.stringify(head).slice(0, -1)},"steps":{${shown.join(',')}},"labels":${run.labels},` +
    `"total_steps":${definition.totalSteps},"completed_steps":${JSON.stringify(names)},${whole}` +
    `"error_detail":${refusal},${JSON.stringify(tail).slice(1)}`
  )
}

/** When a step began or ended last; they need not stand in that order. */
const lastChange = (steps: StepSummary[]): Date | undefined => {
  let last: Date | undefined
  for (const { started_at, ended_at } of steps) {
    const at = ended_at ?? started_at
    if (!last || at > last) last = at
  }
  return last
}

/** One step of the document; also the data of a `step` event. */
export const stepText = (
  run: RunRow,
  step: StepRecord,
  definition: ShownDefinition,
  progress?: StepProgress,
): string => {
  const { activity, config, dependsOn } = definition.step(step.name)
  const taken = step.origin === null ? {} : (JSON.parse(step.origin) as Record<string, unknown>)
  const origin = { task: run.name, task_version: run.version, ...taken }
  const head = { ...stepHead(step), author: run.author, recorded_by: run.recorded_by, origin }
  const told = progress === undefined ? '' : `,"progress":${JSON.stringify(progress)}`
  const extra = `${told}${step.warnings ? `,"logs":${step.warnings}` : ''}${step.error ? `,"error_detail":${step.error}` : ''}`
  return (
    `{"activity":${activity},${JSON.stringify(head).slice(1, -1)},"inputs":${step.inputs ?? '{}'},` +
    `"outputs":${step.outputs ?? '{}'},"depends_on":${dependsOn},"config":${config}${extra}}`
  )
}

const stepHead = (step: StepSummary) => ({
  key: step.name,
  status: step.status,
  error: step.error === null ? null : (JSON.parse(step.error) as { message: string }).message,
  created: timestamp(step.started_at),
  ended: timestampOrNull(step.ended_at),
  duration_seconds: secondsBetween(step.started_at, step.ended_at),
  attempt: step.attempt,
})

/** The names and ids that every answer about a run carries. */
export const identityOf = (run: Pick<RunRow, 'name' | 'trajectory_id' | 'workflow_id'>) => {
  const [collection = '', task = ''] = run.name.split('/')
  return {
    name: run.name,
    trajectory_id: run.trajectory_id,
    workflow_id: run.workflow_id,
    collection,
    task,
    storage_path: `${run.name}/0000`,
  }
}

/** The one page of the web UI that shows this run. */
export const trajectoryUrl = (run: { name: string; trajectory_id: string }, publicUrl: string): string =>
  `${publicUrl}/${run.name}/${run.trajectory_id}`

/** Never less than none. */
export const secondsBetween = (from: Date | null, to: Date | null): number | null =>
  from && to ? Math.max(0, (to.getTime() - from.getTime()) / 1000) : null
