/**
 * The same stream, whose failure is told to `failed` before it ends; `ended` is called once, however it ends. Handed on
 * as it is, an error in the middle of an answer would be printed by the HTTP adapter.
 */
export const guarded = (
  stream: ReadableStream<Uint8Array>,
  failed: (error: unknown) => void,
  ended: () => void = () => {},
): ReadableStream<Uint8Array> => {
  const reader = stream.getReader()
  let gone = false
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read()
          if (gone) return
          if (done) {
            ended()
            controller.close()
          } else controller.enqueue(value)
        } catch (error) {
          if (gone) return
          failed(error)
          ended()
          controller.close()
        }
      },
      cancel(reason) {
        ended()
        gone = true // a client that closes right after the last byte has lost nothing
        return reader.cancel(reason)
      },
    },
    { highWaterMark: 0 },
  )
}
