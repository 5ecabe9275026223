import type { AppError } from '../lib/errors.ts'

/** Receives the items of a source in order. `end` is called once, with the error if the source broke off. */
export interface Sink<Item> {
  take(item: Item): void
  end(problem?: AppError): void
}

/**
 * A push stream with backpressure. Cheaper per item than a web stream or an async iterator, which is why the gateway
 * passes answers on with it. Items that arrive before `readTo` are kept.
 */
export interface PushSource<Item> {
  readTo(sink: Sink<Item>): void
  pause(): void
  resume(): void
  /** Tells the producer to stop; no further item arrives. */
  abort(): void
}

/** Items that an iterator holds back before it pauses its source. */
const mostWaiting = 16

/** Reads a source as an async iterable. Leaving the loop early aborts the source. */
export const itemsOf = async function* <Item>(source: PushSource<Item>): AsyncGenerator<Item> {
  const waiting: Item[] = []
  let ended: { problem: AppError | undefined } | undefined
  let isPaused = false
  let wake = () => {}
  source.readTo({
    take(item) {
      waiting.push(item)
      if (waiting.length >= mostWaiting && !isPaused) {
        isPaused = true
        source.pause()
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
        source.resume()
      }
      if (waiting.length === 0 && !ended) await more
    }
  } finally {
    if (!ended) source.abort()
  }
}

/**
 * Resolves once the first item has arrived, with a source that still delivers all of them. Rejects if the source breaks
 * off before: nothing has been shown yet, so the call can be tried again.
 */
export const afterFirstItem = <Item>(source: PushSource<Item>): Promise<PushSource<Item>> =>
  new Promise((resolve, reject) => {
    const waiting: Item[] = []
    let ended: { problem: AppError | undefined } | undefined
    let sink: Sink<Item> | undefined
    const begin = () => {
      source.pause()
      resolve({
        ...source,
        readTo(taker) {
          sink = taker
          for (const item of waiting.splice(0)) taker.take(item)
          if (ended) taker.end(ended.problem)
          else source.resume()
        },
      })
    }
    source.readTo({
      take(item) {
        if (sink) return sink.take(item)
        waiting.push(item)
        if (waiting.length === 1) begin()
      },
      end(problem) {
        if (sink) return sink.end(problem)
        ended = { problem }
        if (waiting.length > 0) return
        if (problem) reject(problem)
        else begin()
      },
    })
  })

/** Shows every item to `look` before it is delivered. */
export const tapped = <Item>(source: PushSource<Item>, look: (item: Item) => void): PushSource<Item> => ({
  ...source,
  readTo: (sink) =>
    source.readTo({
      take(item) {
        look(item)
        sink.take(item)
      },
      end: sink.end,
    }),
})
