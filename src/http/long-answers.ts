import type { ServerResponse } from 'node:http'
import { closed } from './exchange.ts'
import { jsonHeaders, Reply } from './reply.ts'

/** Longest silence of a held answer: proxies commonly cut a connection that had no bytes for 60 s. */
const usualBeatMs = 25_000
/** Looks for silent connections in the time of a beat, so that many answers are not written to at once. */
const looksInBeat = 25

const headers = { ...jsonHeaders, 'x-accel-buffering': 'no' } // proxies forward each line break at once

interface Held<T> {
  answer: Promise<T>
  /** Sent if the answer fails after the status was sent. */
  instead: T
  /** Called with each beat; the first is number 1. */
  onBeat(number: number): void
}

/** Sends JSON answers that may take minutes. */
export interface LongAnswers {
  /**
   * Resolves with the answer if it comes within the first beat. Otherwise resolves with a reply that sends a line break with each
   * beat and the JSON at last: JSON may begin with white space (RFC 8259 §2).
   */
  hold<T>(held: Held<T>): Promise<T | Reply>
}

interface Waiting {
  dueMs: number
  beat(): void
}

/** Writes the JSON behind the line breaks. Throws the failure of the answer once `instead` is sent, so that it is logged. */
const writeLast = async <T>(outgoing: ServerResponse, { answer, instead }: Held<T>): Promise<void> => {
  try {
    outgoing.end(JSON.stringify(await answer))
  } catch (error) {
    outgoing.end(JSON.stringify(instead))
    await closed(outgoing)
    throw error
  }
}

/** One timer serves all answers that wait: 1,000 of them get 40 line breaks a second. */
export const makeLongAnswers = (beatMs = usualBeatMs): LongAnswers => {
  /** In the order in which they are due. */
  const waiting = new Set<Waiting>()
  let timer: NodeJS.Timeout | undefined

  const look = () => {
    const nowMs = performance.now()
    for (const one of waiting) {
      if (one.dueMs > nowMs) return
      one.dueMs = nowMs + beatMs
      waiting.delete(one)
      waiting.add(one)
      one.beat()
    }
  }
  const begin = (one: Waiting) => {
    waiting.add(one)
    timer ??= setInterval(look, beatMs / looksInBeat).unref()
  }
  const end = (one: Waiting) => {
    waiting.delete(one)
    if (waiting.size > 0) return
    clearInterval(timer)
    timer = undefined
  }

  return {
    hold: (held) =>
      new Promise((resolve, reject) => {
        let outgoing: ServerResponse | undefined
        let beats = 0
        const write = async (opened: ServerResponse) => {
          outgoing = opened
          outgoing.write('\n')
          await writeLast(outgoing, held)
        }
        const one: Waiting = {
          dueMs: performance.now() + beatMs,
          beat() {
            held.onBeat(++beats)
            if (beats === 1) resolve(new Reply(write, headers))
            else outgoing?.write('\n')
          },
        }
        begin(one)
        held.answer.finally(() => end(one)).then(resolve, reject)
      }),
  }
}
