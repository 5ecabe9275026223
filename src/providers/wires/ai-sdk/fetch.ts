import type { WireCall } from '../wire.ts'

/** What the packages say of themselves, and the credentials that they think they have: ours take their place. */
const notSent = /^(authorization|x-api-key|x-goog-api-key|user-agent)$/
const bodyless = new Set([204, 205, 304])

/**
 * The way out in the form that the packages want. It goes where the call goes, with its key, whatever key the package
 * was given: they have none of ours, so that none can be in what they say.
 */
export const fetchFor =
  (call: WireCall): typeof fetch =>
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
    const body = bodyless.has(status) ? null : ReadableStream.from(answer.body)
    return new Response(body, { status: status > 599 ? 502 : status, headers })
  }
