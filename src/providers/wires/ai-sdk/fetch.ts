import { readWhole } from '../../../lib/memory/byte-blocks.ts'
import type { OpenAnswer } from '../../../lib/net/open.ts'
import type { WireCall } from '../../provider.ts'
import { unreadable } from '../../upstream/errors.ts'
import { answerText, awsMessagesIn, framesIn, isSuccess } from '../read-answer.ts'

/** Headers of the packages that are replaced: their user agent and placeholders of credentials. */
const notSent = /^(authorization|x-api-key|x-goog-api-key|user-agent)$/
const bodyless = new Set([204, 205, 304])

/** The packages hold the beginning of an event in pieces as small as they arrive, so they get whole ones. */
async function* eventsIn(answer: OpenAnswer, call: WireCall): AsyncGenerator<Uint8Array> {
  if (answer.headers['content-type']?.includes('amazon')) yield* awsMessagesIn(answer, call)
  else for await (const { bytes } of framesIn(answer, call)) yield bytes
}

/** Reads on demand, and closes at once when the rest is not wanted: a generator would wait for its next part. */
const streamOf = (answer: OpenAnswer, call: WireCall): ReadableStream<Uint8Array> => {
  const parts = eventsIn(answer, call)
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
 * Makes the `fetch` of a package. It reaches only the provider of the call, and adds the key itself, so that no error
 * of the package can contain it. If a stream is `expected`, an HTML page is an error: the package would read it as a
 * stream without events.
 */
export const fetchFor =
  (call: WireCall, expected: 'stream' | 'body'): typeof fetch =>
  async (input, init) => {
    const named = [...new Headers(init?.headers)].filter(([name]) => !notSent.test(name))
    const answer = await call.open(String(input), {
      method: init?.method ?? 'GET',
      headers: { ...Object.fromEntries(named), ...call.headers },
      ...(typeof init?.body === 'string' ? { body: init.body } : {}),
    })
    const { status, headers } = answer
    if (expected === 'stream' && isSuccess(answer) && !/event-?stream/i.test(headers['content-type'] ?? '')) {
      throw unreadable(call, 'stream', { status, headers, text: await answerText(answer) })
    }
    const isStream = expected === 'stream' && isSuccess(answer)
    const body = isStream ? streamOf(answer, call) : new Uint8Array(await readWhole(answer.body))
    return new Response(bodyless.has(status) ? null : body, { status: status > 599 ? 502 : status, headers })
  }
