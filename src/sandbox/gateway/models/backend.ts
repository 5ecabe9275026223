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
