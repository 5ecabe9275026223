/** The part of a request beside its address and body. */
interface RequestParts {
  method: string
  headers: Record<string, string>
  signal: AbortSignal | null
}

/** The members of a browser's XMLHttpRequest that an upload needs. */
interface BrowserRequest {
  open(method: string, url: string): void
  setRequestHeader(name: string, value: string): void
  send(body: FormData): void
  abort(): void
  getAllResponseHeaders(): string
  responseType: string
  response: Blob
  status: number
  upload: { onprogress: ((event: { loaded: number }) => void) | null }
  onload: (() => void) | null
  onerror: (() => void) | null
  onabort: (() => void) | null
}

const browserRequest = (): BrowserRequest | undefined => {
  const { XMLHttpRequest: Made } = globalThis as { XMLHttpRequest?: new () => BrowserRequest }
  return Made && new Made()
}

const headersIn = (text: string): [string, string][] =>
  text
    .split('\r\n')
    .filter((line) => line.includes(':'))
    .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()])

/** Sends by XMLHttpRequest: `fetch` of browsers tells no progress of what it sends. */
const sendByBrowser = (
  request: BrowserRequest,
  target: string,
  { method, headers, signal }: RequestParts,
  form: FormData,
  onSent: (bytes: number) => void,
): Promise<Response> =>
  new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const abort = () => request.abort()
    signal?.addEventListener('abort', abort, { once: true })
    const settled = (act: () => void) => () => {
      signal?.removeEventListener('abort', abort)
      act()
    }
    request.open(method, target)
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value)
    request.responseType = 'blob'
    request.upload.onprogress = ({ loaded }) => onSent(loaded)
    request.onload = settled(() => {
      const { status, response } = request
      const isBodyless = status === 204 || status === 304
      resolve(
        new Response(isBodyless ? null : response, { status, headers: headersIn(request.getAllResponseHeaders()) }),
      )
    })
    request.onerror = settled(() => reject(new TypeError('Failed to send the request')))
    request.onabort = settled(() => reject(signal?.reason ?? new DOMException('Aborted', 'AbortError')))
    request.send(form)
  })

/** Sends a form as a stream whose chunks are counted as the connection takes them. */
const sendAsStream = (
  target: string,
  { method, headers, signal }: RequestParts,
  form: FormData,
  onSent: (bytes: number) => void,
): Promise<Response> => {
  const encoded = new Response(form)
  let sent = 0
  const counted = encoded.body?.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        sent += chunk.byteLength
        controller.enqueue(chunk)
        onSent(sent)
      },
    }),
  )
  const type = encoded.headers.get('content-type') ?? ''
  const request = {
    method,
    headers: { ...headers, 'content-type': type },
    signal,
    body: counted ?? null,
    duplex: 'half',
  }
  return fetch(target, request as RequestInit)
}

/** Sends a form and reports how many bytes of it were sent, in browsers, workers and Node. */
export const postWithProgress = (
  target: string,
  parts: RequestParts,
  form: FormData,
  onSent: (bytes: number) => void,
): Promise<Response> => {
  const request = browserRequest()
  return request ? sendByBrowser(request, target, parts, form, onSent) : sendAsStream(target, parts, form, onSent)
}
