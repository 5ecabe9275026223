import type { Json } from '../../activities/activity.ts'
import type { Share } from '../../lib/memory/byte-budget.ts'
import { jsonSize, textMemory, uncountedBytes } from '../../lib/memory/json-memory.ts'
import { type Placed, placeValue } from '../../store/runs/payloads.ts'
import type { EngineContext, LiveRun } from '../context.ts'
import { Interrupted } from './execute.ts'
import type { HeldSlot, StepAtWork } from './step.ts'
import { outputsTooLarge } from './step-record.ts'

/**
 * The share of the memory budget that one step holds. It is opened with the first large value; most steps never have one.
 * A step that waits for memory gives its slot back. A cancel of the run and a stop of the process end the wait.
 */
export class StepMemory {
  /** The slot that the step holds right now. */
  slot: HeldSlot | undefined
  readonly #engine: EngineContext
  readonly #run: LiveRun
  readonly #name: string
  #share: Share | undefined
  #controller: AbortController | undefined
  #forgetSignal: (() => void) | undefined
  /** Taken before it was clear what for. */
  #ahead = 0
  #waits = 0

  constructor(engine: EngineContext, run: LiveRun, name: string) {
    this.#engine = engine
    this.#run = run
    this.#name = name
  }

  /** Takes room for so many bytes more; undefined where there is room at once, or where they are few. */
  room(bytes: number): Promise<void> | undefined {
    if (bytes <= uncountedBytes) return undefined
    const more = bytes - this.#ahead
    this.#ahead = Math.max(0, -more)
    if (more <= 0) return undefined
    this.#share ??= this.#engine.memory.open(this.#run.collectionId)
    const what = `Step '${this.#name}' of run ${this.#run.trajectoryId}`
    const wait = this.#share.add(more, { what, signal: this.#signal() })
    return wait && this.#withoutSlot(wait)
  }

  /** Takes room ahead of what will be asked for: that comes out of it first. */
  async takeAhead(bytes: number): Promise<void> {
    await this.room(bytes)
    this.#ahead = bytes
  }

  /** Gives back room that was taken. */
  giveBack(bytes: number): void {
    if (bytes > uncountedBytes) this.#share?.giveBack(bytes)
  }

  end(): void {
    this.#share?.end()
    this.#forgetSignal?.()
  }

  async #withoutSlot(wait: Promise<void>): Promise<void> {
    const { slot } = this
    if (this.#waits++ === 0) slot?.give()
    await wait.finally(() => this.#waits--)
    if (this.#waits === 0) await slot?.take()
  }

  /** Fires when the run is to end, or the process. Made for the first wait: most steps have none. */
  #signal(): AbortSignal {
    if (this.#controller) return this.#controller.signal
    const controller = new AbortController()
    const abort = () => controller.abort(new Interrupted(this.#name))
    const { interrupts, requested, failure } = this.#run
    const { stopping } = this.#engine
    this.#controller = controller
    this.#forgetSignal = () => {
      interrupts.delete(abort)
      stopping.removeEventListener('abort', abort)
    }
    interrupts.add(abort)
    stopping.addEventListener('abort', abort, { once: true })
    if (requested || failure || stopping.aborted) abort()
    return controller.signal
  }
}

/** A value as JSON text, and in the buffer that carries it to the database. */
const copiesAtOnce = 2
/** Beside them the value itself. */
const copiesOfOutputs = copiesAtOnce + 1

/** Memory to serialize the inputs of a step and to store them. */
export const inputsMemory = (parameters: Record<string, unknown>): number =>
  copiesAtOnce * jsonSize(parameters, Number.MAX_SAFE_INTEGER)

/** Puts a large value into a row of its own, a few of these at a time. A small one is given back without a promise. */
export const placeLarge = (engine: EngineContext, runKey: string, text: string | null): Placed | Promise<Placed> =>
  engine.transfer(text?.length ?? 0, () => placeValue(engine.database, runKey, text))

/** Memory that a suspect takes before it begins: for outputs of JETTY_MAX_OUTPUT_BYTES, or as much as one share can have. */
export const suspectMemory = ({ limits, memory }: EngineContext): number =>
  Math.min(copiesOfOutputs * limits.maxOutputBytes, memory.largest)

/**
 * The outputs of a step as JSON text without secrets, once there is room for it. Throws `output_too_large` before it is
 * written out, where that can be told from the value.
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
