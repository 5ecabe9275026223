import { randomBytes } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { wholeBody } from '../whole-body.ts'

export interface AskedOfReplicate {
  method: string
  path: string
  headers: IncomingHttpHeaders
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of a body by asserting on it
  body: any
}

/** How the next request is answered, whatever it asks. */
interface Reply {
  status: number
  body?: unknown
  headers?: Record<string, string>
}

/** What becomes of the next predictions. */
export interface Outcome {
  output?: unknown
  /** How often it is still under way when it is asked for; 0 is done in the first answer. */
  polls?: number
  error?: string
  logs?: string
  status?: 'succeeded' | 'failed' | 'canceled' | 'aborted'
}

export interface FakeReplicate {
  /** Its base URL, with /v1. */
  url: string
  port: number
  asked: AskedOfReplicate[]
  /** Where it serves these bytes, announced as this type; with `open` it asks for no key. */
  file(bytes: Uint8Array, type: string, more?: { open?: boolean; name?: string }): string
  /** What the next requests get, one after the other. */
  reply(...replies: Reply[]): void
  /** What predictions come to from now on. */
  predicts(outcome: Outcome | ((input: Record<string, unknown>) => Outcome)): void
  /** Models that are run by their names alone; any other needs its version. */
  official: Set<string>
  /** Ids of the predictions that were cancelled. */
  cancelled: string[]
  close(): Promise<void>
}

interface Prediction {
  id: string
  model: string | null
  version: string
  input: Record<string, unknown>
  outcome: Outcome
  left: number
  cancelled: boolean
}

const latest = 'a'.repeat(64)
const terminal = (one: Prediction): boolean => one.cancelled || one.left <= 0

const shown = (one: Prediction, url: string) => {
  const done = terminal(one)
  const status = one.cancelled ? 'canceled' : done ? (one.outcome.status ?? 'succeeded') : 'processing'
  return {
    id: one.id,
    model: one.model,
    version: one.version,
    input: one.input,
    logs: one.outcome.logs ?? '',
    output: status === 'succeeded' ? (one.outcome.output ?? null) : null,
    data_removed: false,
    error: status === 'failed' ? (one.outcome.error ?? 'it broke') : null,
    status,
    created_at: '2026-01-01T00:00:00.000Z',
    urls: { get: `${url}/predictions/${one.id}`, cancel: `${url}/predictions/${one.id}/cancel` },
    ...(done ? { metrics: { predict_time: 1.5, total_time: 2 } } : {}),
  }
}

/** A Replicate on a real socket: models, predictions that take their time, files in and out. */
export const startFakeReplicate = async (): Promise<FakeReplicate> => {
  const asked: AskedOfReplicate[] = []
  const replies: Reply[] = []
  const cancelled: string[] = []
  const official = new Set(['black-forest-labs/flux-schnell'])
  const predictions = new Map<string, Prediction>()
  const files = new Map<string, { bytes: Uint8Array; type: string; open: boolean }>()
  let outcomeFor: (input: Record<string, unknown>) => Outcome = () => ({ output: 'done' })
  let url = ''

  const problem = (status: number, detail: string): Reply => ({ status, body: { title: 'Problem', detail, status } })
  const notFound = () => problem(404, 'The requested resource could not be found.')
  const create = (model: string | null, version: string, input: Record<string, unknown>): Reply => {
    const outcome = outcomeFor(input)
    const id = randomBytes(8).toString('hex')
    const one = { id, model, version, input, outcome, left: outcome.polls ?? 0, cancelled: false }
    predictions.set(id, one)
    return { status: terminal(one) ? 201 : 202, body: shown(one, url) }
  }

  const ofModel = (owner: string, name: string, { method, body }: AskedOfReplicate): Reply => {
    if (method === 'GET') {
      return owner === 'nobody' ? notFound() : { status: 200, body: { owner, name, latest_version: { id: latest } } }
    }
    return official.has(`${owner}/${name}`) ? create(`${owner}/${name}`, 'hidden', body.input) : notFound()
  }

  const ofPrediction = (id: string, isCancel: boolean): Reply => {
    const one = predictions.get(id)
    if (!one) return notFound()
    if (isCancel) {
      one.cancelled = true
      cancelled.push(id)
    } else one.left -= 1
    return { status: 200, body: shown(one, url) }
  }

  const upload = (): Reply => {
    const get = `${url}/files/${files.size}`
    files.set(new URL(get).pathname, { bytes: Buffer.from('uploaded'), type: 'text/plain', open: false })
    return { status: 201, body: { id: 'f1', urls: { get } } }
  }

  const answer = (request: AskedOfReplicate): Reply => {
    const { method, path, body, headers } = request
    const file = files.get(path)
    if (!file?.open && !/^Bearer \S+$/.test(headers.authorization ?? '')) {
      return problem(401, 'You did not pass a valid authentication token')
    }
    if (file) return { status: 200, body: Buffer.from(file.bytes), headers: { 'content-type': file.type } }
    const [, owner, name] = /^\/v1\/models\/([^/]+)\/([^/]+)(?:\/predictions)?$/.exec(path) ?? []
    if (owner !== undefined && name !== undefined) return ofModel(owner, name, request)
    if (path === '/v1/predictions' && method === 'POST') return create(null, body.version, body.input)
    if (path === '/v1/files' && method === 'POST') return upload()
    const [, id = '', action] = /^\/v1\/predictions\/(\w+)(\/cancel)?$/.exec(path) ?? []
    return ofPrediction(id, action !== undefined)
  }

  const send = (response: ServerResponse, { status, body, headers }: Reply): void => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body ?? {}))
  }

  const server = createServer(async (request, response) => {
    const bytes = await wholeBody(request)
    if (!bytes) return
    const isJson = request.headers['content-type']?.startsWith('application/json')
    const one = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: isJson ? JSON.parse(bytes.toString()) : bytes.toString('latin1'),
    }
    asked.push(one)
    send(response, replies.shift() ?? answer(one))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  url = `http://127.0.0.1:${port}/v1`
  return {
    url,
    port,
    asked,
    official,
    cancelled,
    file(bytes, type, { open = false, name = `out-${files.size}` } = {}) {
      const path = `/v1/files/${files.size}/${name}`
      files.set(path, { bytes, type, open })
      return `http://127.0.0.1:${port}${path}`
    },
    reply: (...more) => void replies.push(...more),
    predicts(outcome) {
      outcomeFor = typeof outcome === 'function' ? outcome : () => outcome
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
