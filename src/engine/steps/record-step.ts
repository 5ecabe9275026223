import type { Json } from '../../activities/activity.ts'
import { AppError } from '../../lib/errors.ts'
import type { ByteBudget } from '../../lib/memory/byte-budget.ts'
import { jsonSize, textMemory, uncountedBytes } from '../../lib/memory/json-memory.ts'
import { now } from '../../lib/time.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { Usage } from '../../store/collections/quota.ts'
import type { Queries } from '../../store/database/database.ts'
import { type Placed, placeValue } from '../../store/runs/payloads.ts'
import type { Entry } from '../journal/journal-entry.ts'
import { Fenced } from '../journal/journal-sender.ts'
import type { Transfer } from '../journal/transfers.ts'
import { offerResult } from './cached-result.ts'
import { noteDivergence } from './replayed-step.ts'
import type { StepAtWork, StepLimits } from './step-at-work.ts'
import {
  errorRecord,
  failureText,
  outputsTooLarge,
  requestedError,
  type StepOutcome,
  usageText,
  warningsText,
} from './step-record.ts'
import { forget, remember } from './step-results.ts'
import type { StepPlace, StepRun } from './step-run.ts'

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

/** Decides about the run after a step: returns the status that it ends with, or undefined if it continues. */
export type Conclude = (place: StepPlace, outcome: StepOutcome) => RunStatus | undefined

/** A step that is on disk. */
export interface Recorded {
  status: StepOutcome['status']
  goesOn: boolean | undefined
  /** The outputs in its row: null if they are large. The run must not hold memory that is no longer counted. */
  outputs: string | null
  /** The end of the run, which was written with it. */
  end: RunStatus | undefined
}

/** Writes a finished step down, and with the last one the end of the run. */
export const recordStep = async (work: StepAtWork, outcome: StepOutcome, conclude: Conclude): Promise<Recorded> => {
  const { engine, lease, run, place, row, side } = work
  const scrub = run.environment.scrub.text
  const placed = placeLarge(engine, run, outcome.outputs)
  const outputs = placed instanceof Promise ? await placed : placed
  if (work.resultHash !== undefined && outcome.status === 'completed') await offerResult(work)
  const end = conclude(place, outcome)
  if (work.replay) await noteDivergence(work, work.replay, outcome, end)
  row.status = outcome.status
  row.outputs = outputs.text
  row.outputsPayload = outputs.payload
  row.error = outcome.error ? errorRecord(outcome.error, scrub) : null
  row.warnings = warningsText(run, side)
  row.usage = usageText(side)
  row.workMs = run.workMs
  row.wakeMs = null
  row.endedMs = now()
  const entry: Entry = { lease, step: row, files: side.files, owner: run }
  if (end) entry.end = { runKey: run.key, ...endOf(run, end, place, outcome), endedMs: row.endedMs }
  try {
    await engine.journal.add(entry)
  } catch (error) {
    if (error instanceof Fenced || outcome.outputs === null) throw error
    if (outcome.status !== 'completed') return recordStep(work, { ...outcome, outputs: null }, conclude)
    const refused = new AppError('activity_failed', `The outputs of step '${place.name}' could not be stored`, {
      cause: error,
    })
    const { continueOnError: goesOn } = place.step.options
    return recordStep(work, { status: 'failed', outputs: null, error: refused, goesOn }, conclude)
  }
  engine.quota.add(run.collectionId, usageOf(work, outcome))
  run.pending = false
  if (entry.end) engine.onEnd(run.key)
  else keepAtHand(work, outcome)
  return { status: outcome.status, goesOn: outcome.goesOn, outputs: row.outputs, end: entry.end?.status }
}

/** The storage that the record of a step adds to its collection. Inputs count only if its row holds them. */
const usageOf = ({ row, side }: StepAtWork, { outputs }: StepOutcome): Partial<Usage> => ({
  databaseBytes: Buffer.byteLength(row.inputs ?? '') + Buffer.byteLength(outputs ?? ''),
  fileBytes: side.files.reduce((sum, { size }) => sum + size, 0),
})

const endOf = (run: StepRun, end: RunStatus, place: StepPlace, outcome: StepOutcome) => {
  const status = run.requested && end !== 'completed' ? run.requested : end
  if (status === 'completed') return { status, error: null }
  if (run.requested || status !== 'failed') return { status, error: requestedError(status) }
  const failure = run.failure ?? { name: place.name, message: outcome.error?.message ?? '' }
  return { status, error: failureText(run, failure) }
}

/** Keeps the outputs that later steps read. Large values stay in the database, and later steps load them. */
const keepAtHand = ({ engine, run, place, row }: StepAtWork, { status, outputs }: StepOutcome): void => {
  const { index } = place.step
  if (!run.program.lastReader.has(index)) return
  forget(engine.memory, run, index)
  if (row.inputsPayload !== null) return
  remember(engine.memory, run, index, { inputs: row.inputs, outputs, status, error: row.error, bytes: 0 })
}
