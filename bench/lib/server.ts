import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const entry = fileURLToPath(new URL('../../dist/bin.js', import.meta.url))

export interface ServerSettings {
  dataDir?: string
  home?: string
  /** Settings as environment variables. */
  environment?: Record<string, string>
  /** Another Node than that of this process. */
  node?: string
  /** Another program than `jetty serve`, with its arguments to node. */
  program?: string[]
  adminToken?: string
}

export interface JettyServer {
  pid: number
  url: string
  adminToken: string
  dataDir: string
  /** When the process was asked for, and from then to ready; milliseconds. */
  startedMs: number
  readyAfterMs: number
  call(method: string, path: string, body?: unknown, token?: string): Promise<CallAnswer>
  /** A new key for a collection. */
  key(collection: string): Promise<string>
  /** Gone at once, as by kill -9. */
  kill(): Promise<void>
  /** As by Ctrl-C: drained. */
  stop(): Promise<void>
}

export interface CallAnswer {
  status: number
  text: string
}

/** Starts the server and waits until it says that it is ready. */
export const startJetty = async (
  settings: ServerSettings & { dataDir: string; home: string },
  started: (child: ChildProcess) => void,
): Promise<JettyServer> => {
  const { dataDir, home } = settings
  const adminToken = settings.adminToken ?? randomBytes(16).toString('hex')
  const errors = join(home, 'server-errors')
  const output = openSync(errors, 'a')
  const startedMs = Date.now()
  const child = spawn(settings.node ?? process.execPath, settings.program ?? [entry, 'serve'], {
    env: {
      PATH: process.env.PATH,
      HOME: home,
      NODE_ENV: 'production',
      JETTY_DATA_DIR: dataDir,
      JETTY_PORT: '0',
      JETTY_ADMIN_TOKEN: adminToken,
      JETTY_LOG_LEVEL: 'warn',
      ...settings.environment,
    },
    stdio: ['ignore', 'pipe', output],
  })
  closeSync(output)
  started(child)
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (text) => {
      if (text.includes('"ready"')) resolve(text)
    })
    child.once('exit', (code) => {
      const said = existsSync(errors) ? readFileSync(errors, 'utf8').slice(-2000) : ''
      reject(new Error(`jetty ended (${code}): ${said}`))
    })
  })
  const readyAfterMs = Date.now() - startedMs
  const { url } = JSON.parse(line) as { url: string }
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    await once(child, 'exit')
  }
  const call = async (method: string, path: string, body?: unknown, token = adminToken): Promise<CallAnswer> => {
    const response = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (response.status >= 400) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return { status: response.status, text }
  }
  return {
    pid: child.pid ?? 0,
    url,
    adminToken,
    dataDir,
    startedMs,
    readyAfterMs,
    call,
    async key(collection) {
      const { text } = await call('POST', '/api/v1/api-keys', {
        name: `bench-${randomBytes(4).toString('hex')}`,
        collection_name: collection,
      })
      return (JSON.parse(text) as { api_key: string }).api_key
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  }
}
