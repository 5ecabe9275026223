/**
 * The same stream, whose failure is told to `failed` before it ends. Handed on as it is, an error in the middle of an
 * answer would be printed by the HTTP adapter.
 */
export const guarded = (
  stream: ReadableStream<Uint8Array>,
  failed: (error: unknown) => void,
): ReadableStream<Uint8Array> => {
  const reader = stream.getReader()
  let gone = false
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read()
          if (gone) return
          if (done) controller.close()
          else controller.enqueue(value)
        } catch (error) {
          if (gone) return
          failed(error)
          controller.close()
        }
      },
      cancel(reason) {
        gone = true // a client that closes right after the last byte has lost nothing
        return reader.cancel(reason)
      },
    },
    { highWaterMark: 0 },
  )
}
