import type { ServerResponse } from 'node:http'
import type { AnswerFormat } from '../../../providers/upstream/formats/format.ts'

/** Closes the connection of an incomplete answer, after the written bytes were sent. */
export const breakOff = (response: ServerResponse): void => void setImmediate(() => response.destroy())

/** Answers with an error of this gateway in the format of the provider that was called: agents read that best. */
export const answerError = (response: ServerResponse, format: AnswerFormat, status: number, message: string): void => {
  if (response.headersSent || response.destroyed) {
    breakOff(response)
    return
  }
  const headers = { 'content-type': 'application/json', 'x-should-retry': 'false', ...format.errorHeaders }
  response.writeHead(status, headers).end(JSON.stringify(format.errorBody(status, message)))
}
/**
 * Tells whether a provider is down. Some agents retry server errors silently and forever; a client error makes them
 * stop.
 */
export interface Backend {
  /** Notes a failed call: its status, or undefined for a network failure. Returns the message to send instead, if any. */
  failed(status: number | undefined): string | undefined
  answered(): void
}

const mostBroken = 4
/** Retries of a rate limit are legitimate for longer. */
const mostBusy = 12

// Words such as `failed` and numbers such as 500 make some agents retry all the same.
const instead = 'model backend unavailable'

export const makeBackend = (): Backend => {
  let broken = 0
  let busy = 0
  return {
    failed(status) {
      if (status === 429) busy++
      else if (status === undefined || status >= 500 || status === 408) broken++
      else return undefined
      return broken >= mostBroken || busy >= mostBusy ? instead : undefined
    },
    answered() {
      broken = 0
      busy = 0
    },
  }
}
