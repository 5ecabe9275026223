import type { Warning } from '../model/warning.ts'
import { type Exchange, onGone } from './exchange.ts'
import type { AnyCall } from './implement.ts'
import type { CallMemory } from './input/memory.ts'
import type { ReceivedFile } from './input/multipart.ts'

const nothing = () => {}

/**
 * The part of a call that follows from its connection. More is assigned to it: a spread would lose its getter. A class,
 * because Node 20 takes microseconds to make a literal with a getter.
 */
export class CallOn implements AnyCall {
  readonly headers: AnyCall['headers']
  readonly address: string | undefined
  readonly method: string
  readonly target: string
  readonly task = undefined
  readonly bodyText: string = ''
  readonly files: ReceivedFile[] = []
  readonly keepFiles = nothing
  readonly idempotencyScope = undefined
  readonly note = nothing
  readonly warn: (warning: Warning) => void
  readonly addHeaders: AnyCall['addHeaders']
  readonly onGone: (left: () => void) => void
  readonly isGone: () => boolean
  readonly memory: CallMemory
  readonly onAccessEnd: AnyCall['onAccessEnd']
  readonly #outgoing: Exchange['outgoing']
  readonly stopping: AbortSignal
  #ending: AbortController | undefined
  #gone: AbortController | undefined

  constructor(exchange: Exchange, memory: CallMemory, stopping: AbortSignal) {
    const { incoming, outgoing, method, target } = exchange
    this.headers = incoming.headers
    this.address = incoming.socket.remoteAddress
    this.method = method
    this.target = target
    this.warn = (warning) => void exchange.warnings.push(warning)
    this.addHeaders = (headers) => void Object.assign(exchange.headers, headers)
    this.onGone = (left) => onGone(outgoing, left)
    this.isGone = () => outgoing.destroyed || incoming.socket.destroyed // a socket is destroyed a moment before its answer
    this.memory = memory
    this.onAccessEnd = (ended) => void exchange.onAccessEnd.push(ended)
    this.#outgoing = outgoing
    this.stopping = stopping
  }

  get ending(): AbortSignal {
    if (this.#ending) return this.#ending.signal
    const control = new AbortController()
    this.#ending = control
    const server = this.stopping
    const stop = () => control.abort(server.reason)
    if (server.aborted) stop()
    else if (!this.#outgoing.closed) {
      server.addEventListener('abort', stop, { once: true })
      this.#outgoing.once('close', () => server.removeEventListener('abort', stop))
    }
    this.onAccessEnd((why) => control.abort(why))
    return control.signal
  }

  get signal(): AbortSignal {
    if (this.#gone) return this.#gone.signal
    const control = new AbortController()
    this.#gone = control
    this.onGone(() => control.abort())
    return control.signal
  }
}
