import type { Owner } from '../../lib/fair-queue.ts'
import type { NewFile, NewRun } from '../../model/runs/new-run.ts'
import type { RunStatus, StepStatus } from '../../model/workflows/workflow.ts'
import {
  beginInput,
  bornInput,
  bornStepInput,
  callInput,
  endInput,
  eventInput,
  fileInput,
  labelInput,
  parkInput,
  type RowValues,
  runInput,
  type stepInput,
} from './journal-columns.ts'
import type { CommitParts } from './journal-sql.ts'

/** The right to write for a batch of runs: it holds as long as the lease has this epoch. */
export interface LeaseRef {
  id: string
  epoch: number
  /** Whether another process is known to have it now. */
  lost?: boolean
}

export interface StepRow {
  runKey: string
  taskId: number
  seq: number
  name: string
  /** Turn of the loop, from the second on; null: the first, or no loop. */
  turn: number | null
  status: StepStatus
  attempt: number
  inputs: string | null
  outputs: string | null
  inputsPayload: string | null
  outputsPayload: string | null
  error: string | null
  warnings: string | null
  /** JSON text: the origin of a result that was not executed here. */
  origin: string | null
  /** JSON text: what its model calls used; null if it made none. */
  usage: string | null
  workMs: number
  startedMs: number
  /** Set while the step executes nothing and only waits. */
  wakeMs: number | null
  /** null: a start row, which the step's completion replaces. */
  endedMs: number | null
  /** The run begins with it: its row still says `pending`. */
  begins?: boolean
}

/** An event of an agent, as stored. */
export interface EventRow {
  /** 0-based in its step, over all attempts. */
  n: number
  atMs: number
  /** JSON text. */
  event: string
}

/** A record of a chat step with tools, as stored. */
interface CallRow {
  /** 0-based in its step, over all attempts. */
  n: number
  atMs: number
  /** JSON text. */
  call: string
}

/** Everything that a run writes at once: all of it or nothing. Files come with the run or the step. */
export interface Entry {
  lease: LeaseRef
  /** Its payer takes turns with others, and its collection has the files. */
  owner: Owner
  /** Whether it need not be written any more. */
  isWithdrawn?: boolean
  run?: NewRun
  /**
   * A child run that was carried out before it was written: it is written with its `end`, `step` being its last. Refused
   * with `TrajectoryIdTaken` also if its parent has ended, was asked to, or is gone.
   */
  born?: { run: NewRun; parentKey: string; startedMs: number; before: StepRow[] }
  step?: StepRow
  end?: { runKey: string; status: RunStatus; error: string | null; endedMs: number }
  /** The run leaves memory at the step `seq`; without `wakeMs` until that step is decided. */
  park?: { runKey: string; seq: number; wakeMs: number | null }
  events?: { runKey: string; seq: number; rows: EventRow[] }
  calls?: { runKey: string; seq: number; rows: CallRow[] }
  files?: NewFile[]
}

const length = (text: string | null | undefined): number => text?.length ?? 0

const labelsSize = (labels: NewRun['labels'] = []): number =>
  labels.reduce((size, { key, value }) => size + key.length + value.length + 100, 0)

const runSize = ({ initParams, sealedSecrets, more, labels }: NewRun): number =>
  length(initParams) + length(sealedSecrets) + length(more?.params) + length(more?.refusal) + labelsSize(labels) + 300

const stepSize = ({ inputs, outputs, error, warnings }: StepRow): number =>
  length(inputs) + length(outputs) + length(error) + length(warnings)

/** Rough bytes an entry keeps in memory while it waits. */
export const sizeOf = ({ run, born, step, end, events, calls, files }: Entry): number =>
  200 +
  (run ? runSize(run) : 0) +
  (born ? runSize(born.run) + born.before.reduce((size, one) => size + stepSize(one) + 100, 0) : 0) +
  (step ? stepSize(step) : 0) +
  (end ? length(end.error) : 0) +
  (events ? events.rows.reduce((size, row) => size + row.event.length + 100, 0) : 0) +
  (calls ? calls.rows.reduce((size, row) => size + row.call.length + 100, 0) : 0) +
  (files ? files.length * 300 : 0)

/** Postgres text cannot hold NUL; JSON never contains it raw, but an error sentence may. */
export const storable = (text: string | null): string | null => text?.replaceAll('\0', '\\0') ?? null

/** Empty columns of a statement's parameters. */
export const columns = (count: number): unknown[][] => Array.from({ length: count }, () => [])

/** Adds one row to them. */
export const pushRow = (into: unknown[][], values: readonly unknown[]): void => {
  for (let at = 0; at < values.length; at++) into[at]?.push(values[at])
}

/** A new run as a row of the statement's parameters. */
export const runValues = (run: NewRun, lease: string, epoch: number): RowValues<typeof runInput> => [
  run.key,
  lease,
  epoch,
  run.trajectoryId,
  run.workflowId,
  run.collectionId,
  run.taskId,
  run.name,
  run.definition,
  run.shownDefinition,
  run.initParams,
  run.author,
  run.environmentId,
  run.sealedSecrets,
  run.more && JSON.stringify(run.more),
  run.createdMs,
]

/** Adds the labels of a new run to the statement's parameters. */
export const pushLabels = (into: unknown[][], { key: id, labels }: NewRun): void => {
  for (const { key, value } of labels ?? []) pushRow(into, [id, key, value] satisfies RowValues<typeof labelInput>)
}

/** A run that has ended as a row of the statement's parameters. */
const bornValues = (
  { run, parentKey, startedMs }: NonNullable<Entry['born']>,
  { status, error, endedMs }: NonNullable<Entry['end']>,
  lease: LeaseRef,
): RowValues<typeof bornInput> => [
  ...runValues(run, lease.id, lease.epoch),
  parentKey,
  status,
  storable(error),
  startedMs,
  endedMs,
]

/** A file as a row of the statement's parameters. */
export const fileValues = (
  runKey: string,
  seq: number | null,
  collectionId: number,
  file: NewFile,
): RowValues<typeof fileInput> => [
  runKey,
  seq,
  file.path,
  collectionId,
  file.object,
  file.name,
  file.contentType,
  file.size,
  file.sha256,
]

/** A step as a row of the statement's parameters. */
const stepValues = (step: StepRow, lease: LeaseRef): RowValues<typeof stepInput> => [
  step.runKey,
  step.taskId,
  lease.id,
  lease.epoch,
  step.seq,
  step.name,
  step.turn,
  step.status,
  step.attempt,
  step.inputs,
  step.outputs,
  step.inputsPayload,
  step.outputsPayload,
  storable(step.error),
  step.warnings,
  step.origin,
  step.usage,
  step.workMs,
  step.startedMs,
  step.wakeMs,
  step.endedMs,
]

/** The entries as the parameters of `commitStatement`, one array a column; and what there is of them. */
export const commitValues = (entries: Entry[], shard: number): { parts: CommitParts; values: unknown[] } => {
  const leases = new Set<string>()
  const runs = columns(runInput.length)
  const born = columns(bornInput.length)
  const steps = columns(bornStepInput.length)
  const begins = columns(beginInput.length)
  const ends = columns(endInput.length)
  const parks = columns(parkInput.length)
  const events = columns(eventInput.length)
  const calls = columns(callInput.length)
  const files = columns(fileInput.length)
  const labels = columns(labelInput.length)
  for (const entry of entries) {
    const { lease, run, step, end, park, events: told, calls: made, files: fileRows, owner } = entry
    leases.add(lease.id)
    if (run) {
      pushRow(runs, runValues(run, lease.id, lease.epoch))
      pushLabels(labels, run)
    }
    if (entry.born && end) {
      pushRow(born, bornValues(entry.born, end, lease))
      for (const one of entry.born.before) pushRow(steps, [...stepValues(one, lease), true])
    }
    if (step) pushRow(steps, [...stepValues(step, lease), entry.born !== undefined])
    if (step?.begins && !end && !park) pushRow(begins, [step.runKey, lease.id, lease.epoch, step.startedMs])
    if (end && !entry.born) {
      const startedMs = step?.startedMs ?? null
      pushRow(ends, [end.runKey, lease.id, lease.epoch, end.status, storable(end.error), startedMs, end.endedMs])
    }
    if (park) pushRow(parks, [park.runKey, lease.id, lease.epoch, park.seq, park.wakeMs])
    for (const { n, atMs, event } of told?.rows ?? []) {
      pushRow(events, [told?.runKey, lease.id, lease.epoch, told?.seq, n, atMs, event])
    }
    for (const { n, atMs, call } of made?.rows ?? []) {
      pushRow(calls, [made?.runKey, lease.id, lease.epoch, made?.seq, n, atMs, call])
    }
    for (const file of fileRows ?? []) {
      const key = run?.key ?? step?.runKey ?? ''
      pushRow(files, fileValues(key, step?.seq ?? null, owner.collectionId, file))
    }
  }
  const tables = { runs, born, steps, begins, ends, parks, events, calls, files, labels }
  if (!born[0]?.length) steps.pop()
  const has = (rows: unknown[][]): boolean => (rows[0]?.length ?? 0) > 0
  const parts: CommitParts = {
    runs: has(runs),
    born: has(born),
    steps: has(steps),
    begins: has(begins),
    ends: has(ends),
    parks: has(parks),
    events: has(events),
    calls: has(calls),
    files: has(files),
    labels: has(labels),
  }
  return { parts, values: [[...leases].sort(), shard, ...Object.values(tables).filter(has).flat()] }
}
