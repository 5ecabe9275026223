import { AppError } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'

/** Most bytes of an answer of the source, which is held in memory. */
const mostBytes = 1024 ** 3
const mostRedirects = 5

const bounded = (response: Response): Response => {
  if (!response.body) return response
  let size = 0
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      size += chunk.byteLength
      if (size > mostBytes) throw new AppError('too_large', `The source answered with more than ${byteSize(mostBytes)}`)
      controller.enqueue(chunk)
    },
  })
  return new Response(response.body.pipeThrough(counted), response)
}

/** Gets what the source keeps elsewhere, such as in a bucket: without its token, and from public addresses only. */
const fetchElsewhere = async (url: URL, signal: AbortSignal | null | undefined): Promise<Response> => {
  const { makeFetcher } = await import('../../lib/net/net.ts')
  const answer = await makeFetcher({ allowPrivateNetwork: [], maxBytes: mostBytes, timeoutSeconds: 3600 })(url.href, {
    ...(signal && { signal }),
  })
  return new Response(Buffer.from(await answer.bytes()), { status: answer.status, headers: answer.headers })
}

const locationOf = (response: Response, from: URL): URL | undefined => {
  const location = response.headers.get('location')
  if (response.status < 300 || response.status >= 400 || location === null) return undefined
  return URL.canParse(location, from.href) ? new URL(location, from) : undefined
}

/**
 * Sends a request to the source of an import. It bounds the answer, and a redirect to another server never leads to a
 * private address: the source would otherwise decide which files of this network are copied.
 */
export const fetchFromSource: typeof fetch = async (target, request) => {
  let url = new URL(String(target))
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    const response = await fetch(url, { ...request, redirect: 'manual' })
    const next = locationOf(response, url)
    if (!next) return bounded(response)
    await response.body?.cancel()
    if (next.hostname === url.hostname && next.protocol === 'https:' && url.protocol === 'http:') {
      throw new AppError('invalid', `The source answers at ${next.origin} only`, { hint: 'Name that with --from.' })
    }
    if (next.origin !== url.origin) return fetchElsewhere(next, request?.signal)
    url = next
  }
  throw new AppError('upstream_failed', `${url.origin} redirected more than ${mostRedirects} times`)
}
