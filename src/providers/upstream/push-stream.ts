import type { AppError } from '../../lib/errors.ts'

/** Receives the items of a stream in order. `end` is called once, with the error if the stream broke off. */
interface Sink<Item> {
  take(item: Item): void
  end(problem?: AppError): void
}

/**
 * A push stream with backpressure. Cheaper per item than a web stream or an async iterator, which is why the gateway
 * passes answers on with it. Items that arrive before `readTo` are kept.
 */
export interface PushStream<Item> {
  readTo(sink: Sink<Item>): void
  pause(): void
  resume(): void
  /** Stops the producer; no further item arrives. */
  abort(): void
}

/** Items that an iterator holds back before it pauses its stream. */
const mostWaiting = 16

/** Reads a stream as an async iterable. Leaving the loop early aborts the stream. */
export const streamItems = async function* <Item>(stream: PushStream<Item>): AsyncGenerator<Item> {
  const waiting: Item[] = []
  let ended: { problem: AppError | undefined } | undefined
  let isPaused = false
  let wake = () => {}
  stream.readTo({
    take(item) {
      waiting.push(item)
      if (waiting.length >= mostWaiting && !isPaused) {
        isPaused = true
        stream.pause()
      }
      wake()
    },
    end(problem) {
      ended = { problem }
      wake()
    },
  })
  try {
    for (;;) {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) yield item
      if (ended?.problem) throw ended.problem
      if (ended) return
      const more = new Promise<void>((resolve) => {
        wake = resolve
      })
      if (isPaused) {
        isPaused = false
        stream.resume()
      }
      if (waiting.length === 0 && !ended) await more
    }
  } finally {
    if (!ended) stream.abort()
  }
}

/**
 * Gives the first items of a stream to `take` until that returns true, and resolves with a stream of the others; undefined if
 * there are none. Rejects if the stream breaks off before.
 */
export const readUntil = <Item>(
  stream: PushStream<Item>,
  take: (item: Item) => boolean,
): Promise<PushStream<Item> | undefined> =>
  new Promise((resolve, reject) => {
    const later: Item[] = []
    let isResolved = false
    let sink: Sink<Item> | undefined
    let ended: { problem: AppError | undefined } | undefined
    const readTo = (taker: Sink<Item>) => {
      sink = taker
      for (const item of later.splice(0)) taker.take(item)
      if (ended) taker.end(ended.problem)
      else stream.resume()
    }
    stream.readTo({
      take(item) {
        if (sink) return sink.take(item)
        if (isResolved) return void later.push(item)
        if (!take(item)) return
        isResolved = true
        stream.pause()
        resolve({ ...stream, readTo })
      },
      end(problem) {
        if (sink) return sink.end(problem)
        ended = { problem }
        if (problem) reject(problem)
        else resolve(undefined)
      },
    })
  })

/**
 * Resolves once the first item has arrived, with a stream that still delivers all of them. Rejects if the stream breaks off
 * before: nothing has been shown yet, so the call can be tried again.
 */
export const afterFirstItem = async <Item>(stream: PushStream<Item>): Promise<PushStream<Item>> => {
  let first: Item[] = []
  const rest = await readUntil(stream, (item) => {
    first = [item]
    return true
  })
  return {
    ...stream,
    readTo(sink) {
      for (const item of first) sink.take(item)
      if (rest) rest.readTo(sink)
      else sink.end()
    },
  }
}

/** Shows every item to `look` before it is delivered. */
export const tapped = <Item>(stream: PushStream<Item>, look: (item: Item) => void): PushStream<Item> => ({
  ...stream,
  readTo: (sink) =>
    stream.readTo({
      take(item) {
        look(item)
        sink.take(item)
      },
      end: sink.end,
    }),
})
