import { mkdtempSync, rmSync } from 'node:fs'
import { type IncomingHttpHeaders, request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { noLentKeys } from '../../src/model/collections/trial.ts'
import type { NewAgentEvent } from '../../src/model/runbooks/runbook-run.ts'
import { makeModels } from '../../src/providers/models/models.ts'
import { makeOpenGateway, type SandboxGatewayDeps } from '../../src/sandbox/gateway/open-gateway.ts'
import type { GatewayOptions, SandboxGateway } from '../../src/sandbox/gateway/sandbox-gateway.ts'
import { makeOutboundNetwork } from '../../src/server/outbound-network.ts'

export const runToken = 'jetty-run-token-0123456789abcdef'

export const limits: SandboxGatewayDeps['limits'] = {
  bodyBytes: 4 * 1024 * 1024,
  firstByteSeconds: 60,
  idleSeconds: 60,
  insideIdleSeconds: 60,
  connectSeconds: 30,
  hostBytes: 64 * 1024 * 1024,
  connections: 64,
}

export interface Opened {
  gateway: SandboxGateway
  socket: string
  events: NewAgentEvent[]
  paid: { usd: number | null; tokens: number }[]
  /** Everything that has left the socket. */
  seen(): string
  ask(path: string, options?: Ask): Promise<Answer>
  /** Sends these bytes and gives all that comes back. */
  raw(bytes: string | Buffer): Promise<string>
  cut: AbortController
  close(): Promise<void>
}

export interface Ask {
  method?: string
  headers?: Record<string, string>
  /** As JSON, or as it is. */
  body?: unknown
  /** Undefined: in `x-api-key`; null: none. */
  token?: string | null
  signal?: AbortSignal
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of a body by asserting on it
  body: any
  /** The connection broke before its end. */
  isCut: boolean
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export interface OpenOptions extends Partial<Omit<GatewayOptions, 'socket' | 'token' | 'signal' | 'tell'>> {
  /** The environment of the collection. */
  env?: Record<string, string>
  /** Base URLs that the server was started with, by variable: these may be private. */
  servers?: Record<string, string>
  limits?: Partial<SandboxGatewayDeps['limits']>
  lookup?: SandboxGatewayDeps['lookup']
  dial?: SandboxGatewayDeps['dial']
  own?: SandboxGatewayDeps['own']
  isCutBefore?: boolean
}

const modelsAt = (servers: Record<string, string>) => {
  const trusted = Object.values(servers).map((url) => new URL(url).host)
  const way = (allowPrivateNetwork: string[]) => makeOutboundNetwork({ allowPrivateNetwork, connectTimeoutSeconds: 30 })
  const [guarded, toServers] = [way([]), way(trusted)]
  return makeModels({
    fetch: guarded.fetch,
    trustedFetch: toServers.fetch,
    agent: (isTrusted) => (isTrusted ? toServers : guarded).agent(),
    serverUrl: (variable) => servers[variable],
    lentKeys: noLentKeys.value,
    limits: { tries: 1, firstByteSeconds: 60, idleSeconds: 60 },
  })
}

/** A gateway on a real socket, whose providers are fakes. */
export const openGateway = async (options: OpenOptions = {}): Promise<Opened> => {
  const { env = {}, servers = {}, limits: changed, lookup, dial, own, isCutBefore, ...given } = options
  const folder = mkdtempSync(join(tmpdir(), 'jetty-gw-'))
  const socket = join(folder, 'gateway.sock')
  const events: NewAgentEvent[] = []
  const paid: Opened['paid'] = []
  const cut = new AbortController()
  if (isCutBefore) cut.abort(new Error('too late'))
  const seen: Buffer[] = []
  const open = makeOpenGateway({
    models: modelsAt(servers),
    limits: { ...limits, ...changed },
    ...(lookup && { lookup }),
    ...(dial && { dial }),
    ...(own && { own }),
  })
  const remove = () => rmSync(folder, { recursive: true, force: true })
  const gateway = await open({
    socket,
    token: runToken,
    provider: 'anthropic',
    declared: Object.keys(env),
    caller: { env: (name) => env[name] },
    network: { mode: 'models' },
    budget: { calls: 100, tokens: 1_000_000, usd: null },
    paid: async (cost) => void paid.push(cost),
    ...given,
    tell: (event) => void events.push(event),
    signal: cut.signal,
  }).catch((error) => {
    remove()
    throw error
  })

  const ask = (path: string, { method, headers, body, token = runToken, signal }: Ask = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const text = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
      const asked = request({
        socketPath: socket,
        path,
        agent: false,
        method: method ?? (body === undefined ? 'GET' : 'POST'),
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(token === null ? {} : { 'x-api-key': token }),
          ...headers,
        },
        ...(signal && { signal }),
      })
      asked.on('error', reject)
      asked.on('response', (answer) => {
        const chunks: Buffer[] = []
        const end = (isCut: boolean) => {
          const all = Buffer.concat(chunks)
          seen.push(Buffer.from(`${JSON.stringify(answer.rawHeaders)}\n`), all)
          const whole = all.toString()
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text: whole, body: parsed(whole), isCut })
        }
        answer.on('data', (chunk) => chunks.push(chunk))
        answer.on('end', () => end(false))
        answer.on('error', () => end(true))
      })
      asked.end(text)
    })

  const raw = (bytes: string | Buffer): Promise<string> =>
    new Promise((resolve) => {
      const chunks: Buffer[] = []
      const connection = connect(socket)
      connection.on('data', (chunk) => chunks.push(chunk))
      connection.on('error', () => {})
      connection.on('close', () => {
        seen.push(...chunks)
        resolve(Buffer.concat(chunks).toString())
      })
      connection.write(bytes)
    })

  return {
    gateway,
    socket,
    events,
    paid,
    seen: () => Buffer.concat(seen).toString(),
    ask,
    raw,
    cut,
    async close() {
      await gateway.close()
      remove()
    },
  }
}
