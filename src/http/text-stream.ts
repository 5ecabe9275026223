const encoder = new TextEncoder()
/** Smaller pieces are sent together. */
const pieceCharacters = 16 * 1024

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
