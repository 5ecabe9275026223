/** Work in pieces: at each `yield` other work may go on. */
export type Pieces<Result> = Generator<void, Result, void>

/** How long one piece of work may keep the thread before others get their turn. */
const sliceMs = 10
/** Work that has no pieces may take longer than a slice. A rest after it, as long as it took, but no longer than this. */
const longestRestMs = 100

/** Does all pieces at once, for work that is known to be short. */
export const doAtOnce = <Result>(pieces: Pieces<Result>): Result => {
  for (;;) {
    const { done, value } = pieces.next()
    if (done) return value
  }
}

/** Those that wait for a slice, by owner: one slice is given at a time, to the owners in turn. */
const waiting = new Map<string, (() => void)[]>()
let isGiving = false

const give = (): void => {
  const [next] = waiting
  isGiving = next !== undefined
  if (!next) return
  const [owner, [first, ...others]] = next
  waiting.delete(owner)
  if (others.length > 0) waiting.set(owner, others)
  const begun = performance.now()
  setImmediate(() => {
    const taken = performance.now() - begun
    if (taken < 2 * sliceMs) give()
    else setTimeout(give, Math.min(taken, longestRestMs))
  })
  first?.()
}

/**
 * Waits for a slice of the thread. In each turn of the event loop at most one is given, so that much work that comes at
 * once is done piece by piece, with the input and the answers of all others in between. A short call of others takes many
 * turns, so a turn that took long is followed by as much time without a slice. Owners, such as collections, take turns.
 */
export const nextSlice = (owner = ''): Promise<void> =>
  new Promise((resolve) => {
    const queue = waiting.get(owner)
    if (queue) queue.push(resolve)
    else waiting.set(owner, [resolve])
    if (isGiving) return
    isGiving = true
    setImmediate(give)
  })

/** Does work piece by piece, and lets others go on after each slice. Short work is done before this returns a promise. */
export const doInSlices = async <Result>(pieces: Pieces<Result>, owner?: string): Promise<Result> => {
  for (let end = performance.now() + sliceMs; ; ) {
    const { done, value } = pieces.next()
    if (done) return value
    if (performance.now() < end) continue
    await nextSlice(owner)
    end = performance.now() + sliceMs
  }
}

/** Hands on what a source has, and lets others go on after each slice of reading it and of what is done with it. */
export async function* inSlices<Item>(
  source: AsyncIterable<Item> | Iterable<Item>,
  owner?: string,
): AsyncGenerator<Item> {
  let end = performance.now() + sliceMs
  for await (const item of source) {
    yield item
    if (performance.now() < end) continue
    await nextSlice(owner)
    end = performance.now() + sliceMs
  }
}
