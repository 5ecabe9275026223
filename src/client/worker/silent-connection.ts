/** A call that broke without one byte of an answer, long after the first was due. */
class HeldBack extends Error {}

/** Whether a call broke without one byte of an answer, long after the first was due. A client wraps what its `fetch` throws. */
export const wasHeldBack = (error: unknown): boolean =>
  error instanceof HeldBack || (error instanceof Error && error.cause !== undefined && wasHeldBack(error.cause))

/**
 * Makes a `fetch` that gives up when no byte has come for `silentMs`, however long the whole answer takes. The first byte is
 * due in half of this time.
 */
export const fetchUnlessSilent =
  (send: typeof fetch, silentMs: number): typeof fetch =>
  async (target, init) => {
    const begun = performance.now()
    const silent = new AbortController()
    const giveUp = () => silent.abort(new Error(`no byte came for ${Math.round(silentMs / 1000)} s`))
    const timer = setTimeout(giveUp, silentMs)
    const stop = () => clearTimeout(timer)
    const signal = init?.signal ? AbortSignal.any([init.signal, silent.signal]) : silent.signal
    const response = await send(target, { ...init, signal }).catch((error: Error) => {
      stop()
      throw performance.now() - begun < silentMs / 2 ? error : new HeldBack(error.message, { cause: error })
    })
    if (!response.body) {
      stop()
      return response
    }
    timer.refresh().unref() // nobody may read the answer to its end
    const body = response.body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, control) {
          timer.refresh()
          control.enqueue(chunk)
        },
        flush: stop,
      }),
    )
    return new Response(body, response)
  }
