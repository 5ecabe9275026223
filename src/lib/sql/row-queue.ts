/** Rows on their way from a connection to a reader; the connection waits while the reader is behind. */
interface RowQueue {
  add(row: unknown[], bytes: number): void
  end(): void
  fail(error: unknown): void
  /** All rows that have arrived, again and again until the end. Throws what `fail` was given. */
  rows: AsyncIterable<unknown[][]>
}

const bufferedBytes = 256 * 1024
const nothing = (): void => {}

export const makeRowQueue = (connection: { pause(): void; resume(): void }): RowQueue => {
  let waiting: unknown[][] = []
  let bytes = 0
  let failure: { error: unknown } | undefined
  let isOver = false
  let wake = nothing

  const read = async function* () {
    for (;;) {
      if (failure) throw failure.error
      if (waiting.length > 0) {
        const batch = waiting
        waiting = []
        bytes = 0
        yield batch
      } else if (isOver) return
      else {
        connection.resume()
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
  }
  return {
    rows: read(),
    add(row, size) {
      waiting.push(row)
      bytes += size
      if (bytes > bufferedBytes) connection.pause()
      wake()
    },
    end() {
      isOver = true
      connection.resume() // the answer to the next statement comes here, too
      wake()
    },
    fail(error) {
      failure ??= { error }
      connection.resume() // what comes after it must be read, too
      wake()
    },
  }
}
