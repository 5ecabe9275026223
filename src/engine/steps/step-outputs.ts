import type { Json } from '../../activities/activity.ts'
import type { ByteBudget } from '../../lib/memory/byte-budget.ts'
import { jsonSize, textMemory, uncountedBytes } from '../../lib/memory/json-memory.ts'
import type { Queries } from '../../store/database/database.ts'
import { type Placed, placeValue } from '../../store/runs/payloads.ts'
import type { Transfer } from '../journal/transfers.ts'
import type { StepAtWork, StepLimits } from './step-at-work.ts'
import { outputsTooLarge } from './step-record.ts'
import type { StepRun } from './step-run.ts'

/** A value as JSON text, and in the buffer that carries it to the database. */
const copiesAtOnce = 2
/** Copies of the outputs in memory: those two, and the value itself. */
const copiesOfOutputs = copiesAtOnce + 1

/** Memory to serialize the inputs of a step and to store them. */
export const inputsMemory = (parameters: Record<string, unknown>): number =>
  copiesAtOnce * jsonSize(parameters, Number.MAX_SAFE_INTEGER)

/** Stores a large value in a row of its own, a few at a time. Returns a small one at once, without a promise. */
export const placeLarge = (
  { database, transfer }: { database: Queries; transfer: Transfer },
  run: StepRun,
  text: string | null,
): Placed | Promise<Placed> => transfer(run, text?.length ?? 0, () => placeValue(database, run.key, text))

/** Memory that a suspect takes before it begins: for outputs of JETTY_MAX_OUTPUT_BYTES, or as much as one share can have. */
export const suspectMemory = ({
  limits,
  memory,
}: {
  limits: Pick<StepLimits, 'maxOutputBytes'>
  memory: ByteBudget
}): number => Math.min(copiesOfOutputs * limits.maxOutputBytes, memory.largestOf('step'))

/**
 * Writes the outputs of a step as JSON text without secrets, once there is memory for it. Throws `output_too_large`
 * before that if the value is clearly too large.
 */
export const outputsText = (work: StepAtWork, outputs: Record<string, Json>): string | Promise<string> => {
  const { engine, run, place } = work
  const most = engine.limits.maxOutputBytes
  const size = jsonSize(outputs, most)
  if (size > most) throw outputsTooLarge(size, most, place.name)
  if (size > uncountedBytes) return largeOutputsText(work, outputs, size)
  const text = run.environment.scrub.json(outputs)
  if (text.length > most) throw outputsTooLarge(text.length, most, place.name)
  return text
}

const largeOutputsText = async (
  { engine, run, place, memory }: StepAtWork,
  outputs: Record<string, Json>,
  size: number,
): Promise<string> => {
  const most = engine.limits.maxOutputBytes
  await memory.room(copiesAtOnce * size)
  const text = run.environment.scrub.json(outputs)
  const written = Buffer.byteLength(text)
  if (written > most) throw outputsTooLarge(written, most, place.name)
  await memory.room(copiesAtOnce * (textMemory(text) - size))
  return text
}
