import { request } from 'node:http'

/** A request as a client would send it, without its token. */
export interface Ask {
  /** As it goes over the wire. */
  path: string
  body?: unknown
  /** Sent as it is, and called JSON. */
  raw?: string
  /** Sent as multipart. */
  form?: Record<string, string | File>
  headers?: Record<string, string>
}

export interface Answered {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  /** The text of the error, or the list of faults. */
  detail: unknown
}

const encoded = async (ask: Ask): Promise<{ bytes: Buffer; type: string } | undefined> => {
  if (ask.raw !== undefined) return { bytes: Buffer.from(ask.raw), type: 'application/json' }
  if (!ask.form) {
    if (ask.body === undefined) return undefined
    return { bytes: Buffer.from(JSON.stringify(ask.body)), type: 'application/json' }
  }
  const form = new FormData()
  for (const [name, value] of Object.entries(ask.form)) form.append(name, value)
  const made = new Response(form)
  return { bytes: Buffer.from(await made.arrayBuffer()), type: made.headers.get('content-type') ?? '' }
}

const detailOf = (text: string): unknown => {
  try {
    return JSON.parse(text).detail
  } catch {
    return undefined
  }
}

const streamMs = 400

/** Sends the path exactly as it is. Of a stream that does not end it reads what comes in a moment. */
export const send = async (
  port: number,
  method: string,
  ask: Ask,
  headers: Record<string, string>,
): Promise<Answered> => {
  const body = await encoded(ask)
  return new Promise((resolve, reject) => {
    const sent = request({
      host: '127.0.0.1',
      port,
      method,
      path: ask.path,
      headers: {
        ...(body ? { 'content-type': body.type, 'content-length': String(body.bytes.length) } : {}),
        ...ask.headers,
        ...headers,
      },
    })
    sent.on('error', reject)
    sent.on('response', (response) => {
      const chunks: Buffer[] = []
      const finish = () => {
        clearTimeout(timer)
        const text = Buffer.concat(chunks).toString()
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, detail: detailOf(text) })
      }
      const stream = String(response.headers['content-type']).startsWith('text/event-stream')
      const timer = setTimeout(
        () => {
          finish()
          response.destroy()
        },
        stream ? streamMs : 30_000,
      )
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', finish)
      response.on('error', () => {}) // cut off by ourselves
    })
    sent.end(body?.bytes)
  })
}
