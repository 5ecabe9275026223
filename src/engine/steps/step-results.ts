import { type ByteBudget, smallShareBytes } from '../../lib/memory/byte-budget.ts'
import { parsedMemory, uncountedBytes } from '../../lib/memory/json-memory.ts'
import type { Queries } from '../../store/database/database.ts'
import { orNull, queryOne, text } from '../../store/database/table.ts'
import { type LoadedInto, loadPayload, type ReadStoredResult } from '../journal/stored-results.ts'
import type { Transfer } from '../journal/transfers.ts'
import type { ProgramStep } from '../program/program.ts'
import type { StepResult, StepRun } from './step-run.ts'

/** Memory of a cached result in multiples of its text: the text, and the parsed value. */
const timesItsText = 3

/**
 * Caches the result of a step for the steps that read it. Large results, and any result while memory is short, are not
 * cached: those steps load them again. Runs that wait for their turn must not hold memory that others need.
 */
export const remember = (memory: ByteBudget, run: StepRun, index: number, result: StepResult): void => {
  forget(memory, run, index)
  const bytes = timesItsText * ((result.inputs?.length ?? 0) + (result.outputs?.length ?? 0))
  if (bytes > smallShareBytes || !memory.tryTake(bytes)) return
  result.bytes = bytes
  run.results.set(index, result)
}

/** Drops the result of a step. */
export const forget = (memory: ByteBudget, { results }: Pick<StepRun, 'results'>, index: number): void => {
  const result = results.get(index)
  if (!result) return
  results.delete(index)
  memory.give(result.bytes)
}

/** Results that a step has loaded, by the index of their step. */
export type Loaded = ReadonlyMap<number, StepResult>

/** Lists the earlier steps that a step reads and that are not in memory, by index. */
export const missingResults = (run: StepRun, step: ProgramStep): number[] =>
  step.dependsOn
    .map((name) => run.program.indexOf.get(name) ?? -1)
    .filter((index) => !run.results.has(index) && seqOf(run, index) !== undefined)

/** `seq` of the latest record of a step; undefined if no record of it has results. */
const seqOf = ({ branchState }: StepRun, index: number): number | undefined => {
  if (!branchState) return index
  const latest = branchState.latest.get(index)
  return latest === 'skipped' ? undefined : latest
}

/** Says why a step has no result to read; undefined if it has one. */
export const absenceOf = ({ branchState, program }: StepRun, name: string): string | undefined => {
  const index = program.indexOf.get(name)
  if (!branchState || index === undefined) return undefined
  const latest = branchState.latest.get(index)
  return latest === 'skipped'
    ? `step '${name}' was skipped`
    : latest === undefined
      ? `step '${name}' has not run yet`
      : undefined
}

/**
 * What a step needs at its peak in multiples of the texts that it reads: text, parsed value, and its inputs and outputs as
 * text and in the buffers of the connection. Taken as a whole, so that few steps wait for more while they hold some.
 */
const timesItsTexts = 5

const initParamsOf = queryOne(
  'init_params_of_run',
  { init_params: orNull(text) },
  'select init_params from runs where id = $1',
  (runKey: string) => [runKey],
)

/** Reads large `init_params` within the share of a step. Remembers them if they are small enough and there is room. */
export const loadInitParams = async (
  { database, memory }: { database: Queries; memory: ByteBudget },
  run: StepRun,
  into: LoadedInto,
): Promise<Record<string, unknown>> => {
  const bytes = run.initParamsBytes
  await into.reserve(timesItsTexts * bytes)
  await into.room(2 * bytes)
  const row = await initParamsOf(database, run.key)
  const params = row?.init_params ?? '{}'
  await into.room(parsedMemory(params))
  const value = JSON.parse(params) as Record<string, unknown>
  into.giveBack(2 * bytes)
  const held = parsedMemory(params)
  if (run.initParams === undefined && held <= smallShareBytes && memory.tryTake(held)) {
    run.initParams = value
    run.heldBytes = held
  }
  return value
}

/** Loads the records of earlier steps for one step, within its share of the memory budget. */
export const loadResults = async (
  deps: { database: Queries; transfer: Transfer; results: ReadStoredResult },
  run: StepRun,
  step: ProgramStep,
  indexes: number[],
  into: LoadedInto,
): Promise<Loaded> => {
  const stored = await Promise.all(indexes.map((index) => deps.results(run.key, seqOf(run, index) ?? -1)))
  const loaded = new Map<number, StepResult>()
  const texts = stored.reduce((sum, one) => sum + (one?.inputs_bytes ?? 0) + (one?.outputs_bytes ?? 0), 0)
  if (texts > uncountedBytes) await into.reserve(timesItsTexts * texts)
  for (const [at, index] of indexes.entries()) {
    const result = stored[at]
    if (!result) continue
    const { inputs, outputs, status, error, inputs_payload, outputs_payload, inputs_bytes, outputs_bytes } = result
    const readsInputs = step.readsInputsOf.has(run.program.steps[index]?.name ?? '')
    const load = (payload: string | null, bytes: number) => loadPayload(deps, payload, bytes, into)
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

/** Returns `{inputs, outputs, config, status, error}` of an earlier step for paths to read, parsed at the first read. */
export const sectionsOf = (run: StepRun, name: string, loaded?: Loaded): unknown => {
  const index = run.program.indexOf.get(name)
  const isSkipped = index !== undefined && run.branchState?.latest.get(index) === 'skipped'
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
