import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTestDatabase } from './database.ts'
import { httpCall } from './http-call.ts'
import { startJetty } from './jetty-process.ts'
import type { Body } from './server.ts'

/** A time for which one piece of work kept the thread of a server from all others. */
export interface LoggedBlock {
  /** CPU time of the process meanwhile: unlike the time that passed, it is the same on a busy machine. */
  cpu_ms: number
  blocked_ms: number
  operation: string
  subject: string
}

/** A server in a process of its own that logs what blocks it. */
export interface WatchedJetty {
  url: string
  /** One call with the admin token, or a key. A text is sent as it is, anything else as JSON. */
  call(method: string, path: string, body?: unknown, key?: string): Promise<{ status: number; body: Body }>
  /** Makes a key for a collection, and the collection. */
  key(access: 'READ' | 'WRITE', collection: string): Promise<string>
  /** The blocks since the last call, once the server has logged them. */
  takeBlocks(): Promise<LoggedBlock[]>
  close(): Promise<void>
}

const token = 'watched-0123456789abcdef0123456789abcdef'

/** Starts a server that logs blocks of more than `blockedMs`. */
export const startWatchedJetty = async (blockedMs: number, env: Record<string, string> = {}): Promise<WatchedJetty> => {
  const database = await createTestDatabase({ hasStarted: true })
  const folder = await mkdtemp(join(tmpdir(), 'jetty-watched-'))
  const jetty = startJetty({
    DATABASE_URL: database.url,
    JETTY_DATA_DIR: folder,
    JETTY_ADMIN_TOKEN: token,
    JETTY_LOOP_BLOCKED_MS: String(blockedMs),
    JETTY_WEB: 'off',
    JETTY_DRAIN_SECONDS: '0',
    ...env,
  })
  const { url } = await jetty.ready
  let seen = 0
  const call: WatchedJetty['call'] = async (method, path, body, key = token) => {
    const sent = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
    const type = sent === undefined ? {} : { 'content-type': 'application/json' }
    const { status, text } = await httpCall(method, url + path, { authorization: `Bearer ${key}`, ...type }, sent)
    return { status, body: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text }
  }
  return {
    url,
    call,
    async key(access_level, collection_name) {
      await call('POST', '/api/v1/collections', { name: collection_name })
      const fields = { name: `${access_level} ${collection_name}`, collection_name, access_level }
      return (await call('POST', '/api/v1/api-keys', fields)).body.api_key
    },
    async takeBlocks() {
      await new Promise((resolve) => setTimeout(resolve, 2 * blockedMs))
      await call('GET', '/health')
      const lines = jetty.stderr().slice(seen).split('\n').slice(0, -1)
      seen += lines.reduce((sum, line) => sum + line.length + 1, 0)
      return lines.filter((line) => line.includes('"blocked_ms"')).map((line) => JSON.parse(line) as LoggedBlock)
    },
    async close() {
      await jetty.stop()
      await database.drop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
