/**
 * Whether those who answer are out of order. Some agents ask again without an end and without a word while they are told
 * so; told that the request itself was wrong, they end.
 */
export interface Backend {
  /** A call failed with this status, or on the way. What to say in its place, once that has happened too often. */
  failed(status: number | undefined): string | undefined
  answered(): void
}

const mostBroken = 4
/** Whoever is told to wait a while and asks again is right to do so for longer. */
const mostBusy = 12

// Words such as `failed` and numbers such as 500 make some of them ask again all the same.
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
