import { AppError } from '../../lib/errors.ts'
import type { ByteBudget, Share, ShareKind } from '../../lib/memory/byte-budget.ts'
import { uncountedBytes } from '../../lib/memory/json-memory.ts'
import { Interrupted } from './execute.ts'
import type { HeldSlot } from './held-slot.ts'
import type { StepPlace, StepRun } from './step-run.ts'

interface StepMemoryDeps {
  memory: ByteBudget
  stopping: AbortSignal
  limits: { stepTimeoutSeconds: number }
}

/** A step did not get the memory that it wanted. It is not retried as it is: see `StepMemory.startOver`. */
export class MemoryRefused extends AppError {
  constructor({ message, hint }: AppError) {
    super('busy', message, { retryable: false, ...(hint !== undefined && { hint }) })
  }
}

/** How often a step gives all its memory back, and begins again with the whole that it turned out to need. */
const mostStarts = 5

/**
 * The share of the memory budget that one step holds. It is opened with the first large value; most steps never have one.
 * A step that waits for memory gives its slot back. A cancel of the run and a stop of the process end the wait.
 */
export class StepMemory {
  /** The slot that the step holds right now. */
  slot: HeldSlot | undefined
  readonly #deps: StepMemoryDeps
  readonly #run: StepRun
  readonly #place: StepPlace
  #share: Share | undefined
  #controller: AbortController | undefined
  #forgetSignal: (() => void) | undefined
  /** Bytes reserved before their purpose was known. */
  #ahead = 0
  #waits = 0
  #starts = 0
  /** What the step wanted in all when it was refused more than it held. */
  #wanted = 0

  constructor(deps: StepMemoryDeps, run: StepRun, place: StepPlace) {
    this.#deps = deps
    this.#run = run
    this.#place = place
  }

  /** The run: its collection, and who pays for it. */
  get owner(): StepRun {
    return this.#run
  }

  get #kind(): ShareKind {
    return this.#place.step.activity.startsTask === undefined ? 'step' : 'parent'
  }

  /** Whether the step is short and without effects: what it no longer needs stays reserved for what it needs next. */
  get #isPure(): boolean {
    return this.#place.step.activity.pure
  }

  /** Reserves more bytes; undefined if they are available at once, or few. */
  room(bytes: number): Promise<void> | undefined {
    if (bytes <= uncountedBytes) return undefined
    const more = bytes - this.#ahead
    this.#ahead = Math.max(0, -more)
    if (more <= 0) return undefined
    const { run, name, memory, limits } = { run: this.#run, name: this.#place.name, ...this.#deps }
    this.#share ??= memory.open(run, this.#kind)
    const share = this.#share
    const wanted = share.bytes + more
    const what = `Step '${name}' of run ${run.trajectoryId}`
    const wait = share.add(more, { what, signal: this.#signal(), waitMs: limits.stepTimeoutSeconds * 1000 })
    const refused = (error: unknown): never => {
      if (!(error instanceof AppError) || error.code !== 'busy') throw error
      if (share.bytes > 0) this.#wanted = wanted
      throw new MemoryRefused(error)
    }
    return wait && this.#withoutSlot(wait.catch(refused))
  }

  /** Reserves bytes in advance, as many of them as one share can have; later reservations use them first. */
  async reserve(bytes: number): Promise<void> {
    const most = Math.min(bytes, this.#deps.memory.largestOf(this.#kind) - (this.#share?.bytes ?? 0) + this.#ahead)
    if (most <= this.#ahead) return
    await this.room(most)
    this.#ahead = most
  }

  /** Returns reserved bytes. */
  giveBack(bytes: number): void {
    if (bytes <= uncountedBytes) return
    if (this.#isPure) this.#ahead = Math.min(this.#ahead + bytes, this.#share?.bytes ?? 0)
    else this.#share?.giveBack(bytes)
  }

  /** Returns what is reserved without a purpose: the step may take long from here on. */
  trim(): void {
    this.#share?.giveBack(this.#ahead)
    this.#ahead = 0
  }

  /** Returns everything, for a time in which the step holds nothing. */
  empty(): void {
    this.#share?.giveBack(this.#share.bytes)
    this.#ahead = 0
  }

  /**
   * Takes the whole that the step was refused in part, after giving back what it held. False if it was not refused, or
   * too often. The caller has dropped the values; it makes them again.
   */
  async startOver(): Promise<boolean> {
    const wanted = this.#wanted
    this.#wanted = 0
    if (wanted === 0 || this.#starts++ >= mostStarts) return false
    this.empty()
    await this.reserve(wanted)
    return true
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
    const abort = () => controller.abort(new Interrupted(this.#place.name))
    const { interrupts, requested, failure } = this.#run
    const { stopping } = this.#deps
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
