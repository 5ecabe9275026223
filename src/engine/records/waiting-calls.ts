import type { RecordedCall } from '../../model/gateway/recorded-call.ts'
import type { LogPlace } from './call-log.ts'

/** An ended call on its way to Postgres. */
export interface WaitingCall {
  call: RecordedCall
  size: number
  /** Its line in the call log; the error of the disk if it could not be appended. */
  logged: LogPlace | { error: unknown }
  /** Called once Postgres has it, with what Postgres says against it, or with `away` if it does not answer. */
  settle: (outcome: 'committed' | 'away' | { refusal: unknown }) => void
}

/** Ended calls in the order of their ends. */
interface WaitingCalls {
  readonly length: number
  /** Approximate bytes of the calls that wait or are being written. */
  readonly bytes: number
  add(call: Omit<WaitingCall, 'size'>): void
  /** Number of calls that fit into one statement, at least 1. */
  inOneStatement(): number
  /** Removes the first calls. Their bytes count until `written`. */
  next(count: number): WaitingCall[]
  written(calls: WaitingCall[]): void
}

/** Maximum bytes of one statement after its first call, so that it is answered in time. */
const mostBatchBytes = 4 * 1024 * 1024

const sizeOf = ({ initParams, step }: RecordedCall): number =>
  1_000 + (initParams.text?.length ?? 0) + step.inputs.length + (step.outputs?.length ?? 0) + (step.error?.length ?? 0)

export const makeWaitingCalls = (): WaitingCalls => {
  const queue: WaitingCall[] = []
  let bytes = 0
  return {
    get length() {
      return queue.length
    },
    get bytes() {
      return bytes
    },
    add(one) {
      const size = sizeOf(one.call)
      bytes += size
      queue.push({ ...one, size })
    },
    inOneStatement() {
      let sum = 0
      const end = queue.findIndex(({ size }) => {
        sum += size
        return sum > mostBatchBytes
      })
      return end === -1 ? queue.length : Math.max(1, end)
    },
    next: (count) => queue.splice(0, count),
    written(calls) {
      for (const { size } of calls) bytes -= size
    },
  }
}
