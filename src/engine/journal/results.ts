import type { Queries } from '../../database/database.ts'
import { batched } from '../../lib/batch.ts'
import { parsedMemory, textMemory } from '../../lib/memory/json-memory.ts'
import { payloadText } from '../../store/runs/payloads.ts'
import type { EngineContext, LiveRun, StepResult, StoredResult } from '../context.ts'
import type { ProgramStep } from '../program/program.ts'

interface Wanted {
  runKey: string
  seq: number
}

/**
 * Reads records of steps. Runs that resume at the same time share a query. Values above 64 KiB come as references with
 * their size, so that the caller can take memory before it loads them.
 */
export const makeResultReader = (database: Queries): EngineContext['results'] => {
  const read = batched(async (wanted: Wanted[]): Promise<(StoredResult | undefined)[]> => {
    const rows = await database.rows<StoredResult & { run_id: string; seq: number }>(
      'step_results',
      `select s.run_id, s.seq, s.inputs, s.outputs, s.status, s.error, s.inputs_payload, s.outputs_payload,
         coalesce(octet_length(i.body), 0) inputs_bytes, coalesce(octet_length(o.body), 0) outputs_bytes
       from unnest($1::text[], $2::int[]) w(run_id, seq) join steps s on s.run_id = w.run_id and s.seq = w.seq
       left join payloads i on i.id = s.inputs_payload left join payloads o on o.id = s.outputs_payload`,
      [wanted.map((one) => one.runKey), wanted.map((one) => one.seq)],
    )
    const found = new Map(rows.map((row) => [`${row.run_id} ${row.seq}`, row]))
    return wanted.map((one) => found.get(`${one.runKey} ${one.seq}`))
  }, 200)
  return (runKey, seq) => read({ runKey, seq })
}

/** Results that a step has loaded for itself, by the index of their steps. */
export type Loaded = ReadonlyMap<number, StepResult>

/** The earlier steps that a step reads and that are not in memory. */
export const missingResults = (run: LiveRun, step: ProgramStep): number[] =>
  step.dependsOn
    .map((name) => run.program.indexOf.get(name) ?? -1)
    .filter((index) => !run.results.has(index) && seqOf(run, index) !== undefined)

/** Where the latest record of a step is; undefined where there is none that has results. */
const seqOf = ({ course }: LiveRun, index: number): number | undefined => {
  if (!course) return index
  const latest = course.latest.get(index)
  return latest === 'skipped' ? undefined : latest
}

/** Why a step has nothing that could be read; undefined where it has. */
export const absenceOf = ({ course, program }: LiveRun, name: string): string | undefined => {
  const index = program.indexOf.get(name)
  if (!course || index === undefined) return undefined
  const latest = course.latest.get(index)
  return latest === 'skipped'
    ? `step '${name}' was skipped`
    : latest === undefined
      ? `step '${name}' has not run yet`
      : undefined
}

/** Where large values are loaded to: what the step that reads them holds of the memory budget. */
export interface LoadedInto {
  room(bytes: number): Promise<void> | undefined
  giveBack(bytes: number): void
}

/** Brings earlier steps' records back into memory for one step, within its share of the memory budget. */
export const loadResults = async (
  engine: EngineContext,
  run: LiveRun,
  step: ProgramStep,
  indexes: number[],
  into: LoadedInto,
): Promise<Loaded> => {
  const stored = await Promise.all(indexes.map((index) => engine.results(run.key, seqOf(run, index) ?? -1)))
  const loaded = new Map<number, StepResult>()
  for (const [at, index] of indexes.entries()) {
    const result = stored[at]
    if (!result) continue
    const { inputs, outputs, status, error, inputs_payload, outputs_payload, inputs_bytes, outputs_bytes } = result
    const readsInputs = step.readsInputsOf.has(run.program.steps[index]?.name ?? '')
    const load = (payload: string | null, bytes: number) => loadPayload(engine, payload, bytes, into)
    const value: StepResult = {
      inputs: readsInputs ? (inputs ?? (await load(inputs_payload, inputs_bytes))) : inputs,
      outputs: outputs ?? (await load(outputs_payload, outputs_bytes)),
      status,
      error,
      bytes: 0,
    }
    loaded.set(index, value)
  }
  return loaded
}

/** Reads a large value back, once there is room for it and for what JSON.parse makes of it. */
export const loadPayload = async (
  { database, transfer }: Pick<EngineContext, 'database' | 'transfer'>,
  payload: string | null,
  bytes: number,
  into: LoadedInto,
): Promise<string | null> => {
  if (payload === null) return null
  await into.room(2 * bytes) // as text, and in the buffer of the connection
  const text = await transfer(bytes, () => payloadText(database, payload))
  if (text === null) return null
  await into.room(parsedMemory(text))
  into.giveBack(2 * bytes - textMemory(text))
  return text
}

/** What a path that starts with a step's name reads: parsed when it is first asked for. */
export const sectionsOf = (run: LiveRun, name: string, loaded?: Loaded): unknown => {
  const index = run.program.indexOf.get(name)
  const isSkipped = index !== undefined && run.course?.latest.get(index) === 'skipped'
  const result = index === undefined || isSkipped ? undefined : (run.results.get(index) ?? loaded?.get(index))
  if (index === undefined) return undefined
  if (!result) {
    return isSkipped ? { config: run.program.steps[index]?.config ?? {}, status: 'skipped', error: null } : undefined
  }
  result.value ??= {
    inputs: parse(result.inputs),
    outputs: parse(result.outputs),
    config: run.program.steps[index]?.config ?? {},
    status: result.status,
    error: (parse(result.error) as { message?: string } | null)?.message ?? null,
  }
  return result.value
}

const parse = (text: string | null): unknown => (text === null ? null : JSON.parse(text))
