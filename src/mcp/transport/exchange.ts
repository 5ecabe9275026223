import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/sdk/types.js'

/** The messages that answer one HTTP request, in their order. */
export interface AnswerQueue {
  /** Ids of its requests that have no answer yet. */
  readonly open: ReadonlySet<RequestId>
  push(message: JSONRPCMessage): void
  /** A request gets no answer any more: it was cancelled. */
  drop(id: RequestId): void
  /**
   * Resolves with the answers if they are complete in time and no notification precedes them; otherwise with undefined,
   * and a stream is needed.
   */
  whole(patienceMs: number): Promise<JSONRPCMessage[] | undefined>
  /** Yields the messages until every request has its answer, or `signal` fires. */
  messages(signal: AbortSignal): AsyncGenerator<JSONRPCMessage>
}

/** Maximum messages that wait for a slow reader; further notifications are dropped. */
const mostWaiting = 100

const isAnswer = (message: JSONRPCMessage): boolean => !('method' in message)

export const makeAnswerQueue = (ids: readonly RequestId[]): AnswerQueue => {
  const open = new Set(ids)
  const waiting: JSONRPCMessage[] = []
  let wake = () => {}
  const change = () => new Promise<void>((resolve) => (wake = resolve))
  const end = (id: RequestId | undefined) => {
    if (id !== undefined) open.delete(id)
    wake()
  }
  return {
    open,
    push(message) {
      if (isAnswer(message) || waiting.length < mostWaiting) waiting.push(message)
      end(isAnswer(message) ? (message as { id?: RequestId }).id : undefined)
    },
    drop: end,
    async whole(patienceMs) {
      const late = Date.now() + patienceMs
      while (open.size > 0) {
        if (waiting.some((message) => !isAnswer(message))) return undefined
        const left = late - Date.now()
        if (left <= 0) return undefined
        let timer: NodeJS.Timeout | undefined
        const timeout = new Promise<void>((resolve) => {
          timer = setTimeout(resolve, left)
        })
        await Promise.race([change(), timeout])
        clearTimeout(timer)
      }
      return waiting.every(isAnswer) ? waiting : undefined
    },
    async *messages(signal) {
      signal.addEventListener('abort', () => wake(), { once: true })
      while (!signal.aborted) {
        const message = waiting.shift()
        if (message) yield message
        else if (open.size === 0) return
        else await change()
      }
    },
  }
}
