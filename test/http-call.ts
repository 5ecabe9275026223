import { request } from 'node:http'
import { hearLateErrors } from '../src/cli/send-by-http.ts'

interface HttpAnswer {
  status: number
  headers: Headers
  text: string
}

/** `undefined` for no body; a form as multipart, with the header that says so. */
const encoded = async (body: string | FormData | undefined): Promise<{ bytes?: Buffer; type?: string }> => {
  if (!(body instanceof FormData)) return body === undefined ? {} : { bytes: Buffer.from(body) }
  const made = new Response(body)
  return { bytes: Buffer.from(await made.arrayBuffer()), type: made.headers.get('content-type') ?? '' }
}

/**
 * One request and its whole answer. It takes a quarter of the CPU that `fetch` takes, and as nobody asks for gzip, nothing
 * is packed and unpacked; it follows no redirects.
 */
export const httpCall = async (
  method: string,
  url: string,
  headers: Record<string, string>,
  body?: string | FormData,
): Promise<HttpAnswer> => {
  const { bytes, type } = await encoded(body)
  const sent = {
    ...{ accept: '*/*', 'user-agent': 'node' },
    ...(type && { 'content-type': type }),
    ...(bytes && { 'content-length': String(bytes.length) }),
    ...headers,
  }
  return new Promise((resolve, reject) => {
    const asked = request(new URL(url), { method, headers: sent }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const told = Object.entries(response.headersDistinct).flatMap(([name, values = []]) =>
          values.map((value): [string, string] => [name, value]),
        )
        const status = response.statusCode ?? 0
        resolve({ status, headers: new Headers(told), text: Buffer.concat(chunks).toString() })
      })
    })
    hearLateErrors(asked).on('error', reject)
    asked.end(bytes)
  })
}
