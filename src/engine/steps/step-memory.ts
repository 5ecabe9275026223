import type { ByteBudget, Share } from '../../lib/memory/byte-budget.ts'
import { uncountedBytes } from '../../lib/memory/json-memory.ts'
import { Interrupted } from './execute.ts'
import type { HeldSlot } from './held-slot.ts'
import type { StepRun } from './step-run.ts'

interface StepMemoryDeps {
  memory: ByteBudget
  stopping: AbortSignal
}

/**
 * The share of the memory budget that one step holds. It is opened with the first large value; most steps never have one.
 * A step that waits for memory gives its slot back. A cancel of the run and a stop of the process end the wait.
 */
export class StepMemory {
  /** The slot that the step holds right now. */
  slot: HeldSlot | undefined
  readonly #deps: StepMemoryDeps
  readonly #run: StepRun
  readonly #name: string
  #share: Share | undefined
  #controller: AbortController | undefined
  #forgetSignal: (() => void) | undefined
  /** Bytes reserved before their purpose was known. */
  #ahead = 0
  #waits = 0

  constructor(deps: StepMemoryDeps, run: StepRun, name: string) {
    this.#deps = deps
    this.#run = run
    this.#name = name
  }

  /** Reserves more bytes; undefined if they are available at once, or few. */
  room(bytes: number): Promise<void> | undefined {
    if (bytes <= uncountedBytes) return undefined
    const more = bytes - this.#ahead
    this.#ahead = Math.max(0, -more)
    if (more <= 0) return undefined
    this.#share ??= this.#deps.memory.open(this.#run.collectionId)
    const what = `Step '${this.#name}' of run ${this.#run.trajectoryId}`
    const wait = this.#share.add(more, { what, signal: this.#signal() })
    return wait && this.#withoutSlot(wait)
  }

  /** Reserves bytes in advance; later reservations use them first. */
  async takeAhead(bytes: number): Promise<void> {
    await this.room(bytes)
    this.#ahead = bytes
  }

  /** Returns reserved bytes. */
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
