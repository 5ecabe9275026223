const encoder = new TextEncoder()
/** Smaller pieces are sent together. */
const pieceCharacters = 16 * 1024

/** A JSON text with a list in it, value by value: `opening` ends where the list begins, `closing` stands after its end. */
export async function* listText(
  opening: string,
  values: AsyncIterable<unknown>,
  closing: string,
): AsyncGenerator<string> {
  let before = `${opening}[`
  for await (const value of values) {
    yield before + JSON.stringify(value)
    before = ','
  }
  yield `${before === ',' ? '' : before}]${closing}`
}

/** Text as it is made, no faster than the client reads it. A client that leaves ends the making. */
export const textStream = (texts: AsyncGenerator<string>): ReadableStream<Uint8Array> =>
  new ReadableStream(
    {
      async pull(controller) {
        let piece = ''
        while (piece.length < pieceCharacters) {
          const { value, done } = await texts.next()
          if (done) {
            if (piece !== '') controller.enqueue(encoder.encode(piece))
            controller.close()
            return
          }
          piece += value
        }
        controller.enqueue(encoder.encode(piece))
      },
      async cancel() {
        await texts.return(undefined)
      },
    },
    { highWaterMark: 0 },
  )
