import { AppError } from '../../lib/errors.ts'
import type { StepStatus } from '../../model/workflows/workflow.ts'
import type { Queries } from '../../store/database/database.ts'
import { int, orNull, query, queryOne, type Row, text, textOf } from '../../store/database/table.ts'
import { type LoadedInto, loadPayload } from '../journal/stored-results.ts'
import type { Transfer } from '../journal/transfers.ts'
import type { StepPlace } from './step-run.ts'

interface RecordingDeps {
  database: Queries
  transfer: Transfer
}

const recorded = {
  status: textOf<StepStatus>(),
  /** JSON texts. */
  inputs: orNull(text),
  outputs: orNull(text),
  error: orNull(text),
  warnings: orNull(text),
}
/** A step of the run that a replay takes its results from. */
type RecordedStep = Row<typeof recorded> & { name: string }

const recordedHere = {
  ...recorded,
  trajectory_id: text,
  task: text,
  /** Null where the run has no such step. */
  name: orNull(text),
  inputs_payload: orNull(text),
  outputs_payload: orNull(text),
  inputs_bytes: int,
  outputs_bytes: int,
}
type RecordedHere = Row<typeof recordedHere>

/** The recording of a step that is replayed. */
export interface StepRecording {
  trajectoryId: string
  /** `collection/task`. */
  task: string
  /** The step of the same name; undefined if it was not executed. */
  step: RecordedStep | undefined
  /** Name of the step that it recorded with the same `seq`. */
  nameHere: string | undefined
}

/** A replayed step: its recording, and its inputs as JSON text without secrets. */
export interface StepReplay {
  recording: StepRecording
  shown: string
}

const recordedColumns = `r.trajectory_id, r.name as task, s.name, s.status, s.inputs, s.outputs, s.error, s.warnings,
  s.inputs_payload, s.outputs_payload, coalesce(octet_length(i.body), 0) as inputs_bytes,
  coalesce(octet_length(o.body), 0) as outputs_bytes`
const recordedPayloads =
  'left join payloads i on i.id = s.inputs_payload left join payloads o on o.id = s.outputs_payload'

const isStep = (row: RecordedHere | undefined): row is RecordedHere & RecordedStep => typeof row?.name === 'string'

const recordedStepNamed = query(
  'recorded_step_named',
  recordedHere,
  `select ${recordedColumns} from runs r join steps s on s.run_id = r.id and s.name = $2 ${recordedPayloads}
           where r.id = $1`,
  (source: string, name: string) => [source, name],
)

const recordedStepHere = queryOne(
  'recorded_step_here',
  recordedHere,
  `select ${recordedColumns} from runs r left join steps s on s.run_id = r.id and s.seq = $2 ${recordedPayloads}
     where r.id = $1`,
  (source: string, seq: number) => [source, seq],
)

/** Reads the recording of a step. Throws `not_found` if the recorded run was deleted. */
export const readRecording = async (
  deps: RecordingDeps,
  source: string,
  { seq, name }: StepPlace,
  into: LoadedInto,
): Promise<StepRecording> => {
  const { database } = deps
  const here = await recordedStepHere(database, source, seq)
  if (!here) throw new AppError('not_found', 'The run to replay was deleted, with its recording')
  const [named] = here.name === name ? [here] : await recordedStepNamed(database, source, name)
  return {
    trajectoryId: here.trajectory_id,
    task: here.task,
    step: isStep(named) ? await withLargeValues(deps, named, into) : undefined,
    nameHere: here.name ?? undefined,
  }
}

const withLargeValues = async (
  deps: RecordingDeps,
  step: RecordedHere & RecordedStep,
  into: LoadedInto,
): Promise<RecordedStep> => ({
  ...step,
  inputs: step.inputs ?? (await loadPayload(deps, step.inputs_payload, step.inputs_bytes, into)),
  outputs: step.outputs ?? (await loadPayload(deps, step.outputs_payload, step.outputs_bytes, into)),
})
