import type { OpenAnswer } from '../../../lib/net/open.ts'
import { unreadable } from '../../../upstream/errors.ts'
import type { WireCall } from '../../provider.ts'
import { isSuccess, textOf } from '../read-answer.ts'

/** What the packages say of themselves, and the credentials that they think they have: ours take their place. */
const notSent = /^(authorization|x-api-key|x-goog-api-key|user-agent)$/
const bodyless = new Set([204, 205, 304])

/** Read as it is asked for, and closed at once where nobody wants the rest: a generator would wait for its next part. */
const streamOf = (answer: OpenAnswer): ReadableStream<Uint8Array> => {
  const parts = answer.body[Symbol.asyncIterator]()
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await parts.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: () => answer.close(),
    },
    { highWaterMark: 0 },
  )
}

/**
 * The way out in the form that the packages want. It goes where the call goes, with its key, whatever key the package
 * was given: they have none of ours, so that none can be in what they say. Where a stream is `expected`, a page that
 * comes instead is told of: to the packages it would be a stream without events.
 */
export const fetchFor =
  (call: WireCall, expected: 'stream' | 'body'): typeof fetch =>
  async (input, init) => {
    const named = [...new Headers(init?.headers)].filter(([name]) => !notSent.test(name))
    const answer = await call.open(String(input), {
      method: init?.method ?? 'GET',
      headers: { ...Object.fromEntries(named), ...call.headers },
      ...(typeof init?.body === 'string' ? { body: init.body } : {}),
      signal: call.signal,
      ...call.limits,
    })
    const { status, headers } = answer
    if (expected === 'stream' && isSuccess(answer) && !/event-?stream/i.test(headers['content-type'] ?? '')) {
      throw unreadable(call, 'stream', { status, headers, text: await textOf(answer) })
    }
    return new Response(bodyless.has(status) ? null : streamOf(answer), {
      status: status > 599 ? 502 : status,
      headers,
    })
  }
