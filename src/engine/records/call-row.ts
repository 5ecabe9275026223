import type { RecordedCall } from '../../model/gateway/recorded-call.ts'
import type { StartLabel } from '../../model/runs/label.ts'
import type { NewFile } from '../../model/runs/new-run.ts'
import { countedModel } from '../../store/calls/budget.ts'
import type { Placed } from '../../store/runs/payloads.ts'
import { storable } from '../journal/journal-entry.ts'

/** SQL types of the members of a call's line. */
export const callColumns = {
  id: 'text',
  trajectory_id: 'text',
  collection_id: 'bigint',
  task_id: 'bigint',
  name: 'text',
  definition: 'text',
  init_params: 'text',
  init_params_payload: 'text',
  author: 'text',
  environment_id: 'bigint',
  status: 'text',
  error: 'text',
  created: 'float8',
  ended: 'float8',
  step: 'text',
  inputs: 'text',
  outputs: 'text',
  outputs_payload: 'text',
  step_error: 'text',
  usage: 'text',
  cost_usd: 'float8',
  usd: 'numeric',
  tokens: 'bigint',
  model: 'text',
} as const

/** A call as a line of the call log has it. */
export type CallRow = { [Name in keyof typeof callColumns]: string | number | null } & {
  id: string
  task_id: number
  trajectory_id: string
  collection_id: number
  name: string
  /** JSON text of its workflow, for the case that its task was deleted. */
  workflow: string
  files?: NewFile[] | undefined
  labels?: readonly StartLabel[] | undefined
}

/** Postgres takes neither NUL nor half of a surrogate pair out of JSON. */
const clean = (text: string): string => (/^[ -~]*$/.test(text) ? text : Buffer.from(storable(text) ?? '').toString())

/** Makes the row of a call whose large values are stored. Files and labels come first: a line shows whether it has some. */
export const callRow = (call: RecordedCall, initParams: Placed, outputs: Placed): CallRow => ({
  files: call.files.length > 0 ? call.files : undefined,
  labels: call.labels?.length ? call.labels : undefined,
  id: call.key,
  trajectory_id: call.trajectoryId,
  collection_id: call.collectionId,
  task_id: call.taskId,
  name: clean(call.name),
  definition: call.definition,
  workflow: call.workflow,
  init_params: initParams.text,
  init_params_payload: initParams.payload,
  author: clean(call.author),
  environment_id: call.environmentId,
  status: call.status,
  error: call.error === null ? null : clean(call.error),
  created: call.startedMs,
  ended: call.endedMs,
  step: call.step.name,
  inputs: call.step.inputs,
  outputs: outputs.text,
  outputs_payload: outputs.payload,
  step_error: storable(call.step.error),
  usage: call.step.usage ?? null,
  cost_usd: call.costUsd,
  usd: call.usd,
  tokens: call.tokens,
  model: clean(countedModel(call.model)),
})
