/** A strict S3 in this process: it checks signatures, hashes and the rules of parts, and can be told to misbehave. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { type FakeBucket, makeBucket, type S3Reply } from './s3-bucket.ts'
import { linkFault, sha256, signatureFault } from './s3-signature.ts'

/**
 * How a request goes wrong: `slow_down` answers 503; `hang` never answers; `cut` closes the connection before anything is
 * done; `lose` does what is asked and then closes; `half` sends half of the body of the answer and closes; `expired`
 * refuses the credentials; `error_200` answers Complete with status 200 and an error.
 */
export type S3Misbehaviour = 'slow_down' | 'hang' | 'cut' | 'lose' | 'half' | 'expired' | 'denied' | 'error_200'

export interface SeenRequest {
  method: string
  key: string
  query: URLSearchParams
  headers: IncomingMessage['headers']
}

export interface FakeS3 extends Pick<FakeBucket, 'objects' | 'uploads'> {
  /** Origin, for `?endpoint=`. */
  url: string
  /** Value for JETTY_STORAGE. */
  location: string
  accessKeyId: string
  secretAccessKey: string
  /** Settings of a server that stores its files here. */
  env: Record<string, string>
  /** Every request that arrived. */
  seen: SeenRequest[]
  /** Decides about each request; undefined: it is answered. A promise makes the request wait. */
  misbehave: (request: SeenRequest) => S3Misbehaviour | undefined | Promise<void>
  /** How far its clock is ahead, in ms. */
  clockMs: number
  /** The one bucket that there is. */
  bucketName: string
  close(): Promise<void>
}

export interface FakeS3Options {
  leastPartBytes?: number
  pageSize?: number
  bucketName?: string
  accessKeyId?: string
  secretAccessKey?: string
  region?: string
  host?: string
  port?: number
}

const defaults = {
  leastPartBytes: 5 * 1024 * 1024,
  pageSize: 1000,
  bucketName: 'acme-files',
  accessKeyId: 'AKIDFAKE',
  secretAccessKey: 'fake/secret+key',
  region: 'eu-test-1',
  host: '127.0.0.1',
  port: 0,
}

const statusOf = {
  slow_down: [503, 'SlowDown'],
  expired: [400, 'ExpiredToken'],
  denied: [403, 'AccessDenied'],
} as const

export const startFakeS3 = async (options: FakeS3Options = {}): Promise<FakeS3> => {
  const { leastPartBytes, pageSize, accessKeyId, secretAccessKey, region, ...where } = { ...defaults, ...options }
  const now = () => Date.now() + fake.clockMs
  const bucket = makeBucket({ leastPartBytes, pageSize, now })

  const faultOf = (request: IncomingMessage, body: Buffer): S3Reply | undefined => {
    if (request.method === 'GET' && request.url?.includes('X-Amz-Signature=')) {
      const fault = linkFault(request, { secrets: { [accessKeyId]: secretAccessKey }, region, nowMs: now() })
      return fault === undefined ? undefined : { status: 403, code: fault }
    }
    const code = signatureFault(request, { secrets: { [accessKeyId]: secretAccessKey }, region, nowMs: now() })
    if (code !== undefined) return { status: code === 'AuthorizationHeaderMalformed' ? 400 : 403, code }
    const isWhole = request.headers['x-amz-content-sha256'] === sha256(body)
    return isWhole ? undefined : { status: 400, code: 'XAmzContentSHA256Mismatch' }
  }

  const send = (response: ServerResponse, { status, code, headers, body }: S3Reply, isHead: boolean, half: boolean) => {
    const text =
      code === undefined
        ? (body ?? '')
        : `<?xml version="1.0"?>\n<Error><Code>${code}</Code><Message>It is ${code}</Message></Error>`
    const bytes = Buffer.from(text)
    response.writeHead(status, { 'content-length': bytes.length, ...headers, date: new Date(now()).toUTCString() })
    if (!half) return response.end(isHead ? undefined : bytes)
    response.write(bytes.subarray(0, Math.ceil(bytes.length / 2)), () => response.destroy())
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<unknown> => {
    const { method = '', headers } = request
    const url = new URL(request.url ?? '', 'http://s3')
    const [, name, ...rest] = url.pathname.split('/')
    const seen = { method, key: decodeURIComponent(rest.join('/')), query: url.searchParams, headers }
    fake.seen.push(seen)
    const how = await fake.misbehave(seen)
    if (how === 'hang') return
    if (how === 'cut') return request.destroy()
    const body = await buffer(request) // rejects when the client breaks off: nothing is stored then
    if (how === 'slow_down' || how === 'expired' || how === 'denied') {
      const [status, code] = statusOf[how]
      return send(response, { status, code }, method === 'HEAD', false)
    }
    if (how === 'error_200') {
      return send(
        response,
        { status: 200, body: '<Error><Code>InternalError</Code><Message>Again</Message></Error>' },
        false,
        false,
      )
    }
    const fault =
      faultOf(request, body) ?? (name === fake.bucketName ? undefined : { status: 404, code: 'NoSuchBucket' })
    const reply = fault ?? bucket.answer({ ...seen, headers: headers as Record<string, string | undefined>, body })
    if (how === 'lose') return response.destroy()
    send(response, reply, method === 'HEAD', how === 'half')
  }

  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(where.port, where.host, resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const location = `s3://${where.bucketName}/jetty?endpoint=${url}&region=${region}`
  const fake: FakeS3 = {
    objects: bucket.objects,
    uploads: bucket.uploads,
    url,
    location,
    accessKeyId,
    secretAccessKey,
    env: {
      JETTY_STORAGE: location,
      JETTY_STORAGE_ACCESS_KEY_ID: accessKeyId,
      JETTY_STORAGE_SECRET_ACCESS_KEY: secretAccessKey,
    },
    seen: [],
    misbehave: () => undefined,
    clockMs: 0,
    bucketName: where.bucketName,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return fake
}
