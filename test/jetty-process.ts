import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { compiledProgram } from './compiled.ts'
import { sentSecrets } from './leaks/sent-secrets.ts'
import { makeLeakWatch } from './leaks/watch.ts'
import type { Body } from './server.ts'

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const root = file('..')

/** `jetty serve` as a process of its own, compiled from the sources as they are. */
export interface JettyProcess {
  child: ChildProcess
  /** The line that a started server prints, parsed; rejects with what it said on stderr when it ends before. */
  ready: Promise<Body>
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  stdout(): string
  stderr(): string
  /** Asks it to stop and gives the exit code; a server that does not listen to that is killed after 45 s. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

const started = new Set<ChildProcess>()
/** Whatever the servers print is searched for what they were started with and asked to keep. */
const leaks = makeLeakWatch()
const longestDrainMs = 45_000

/** Starts a server with exactly these settings; nothing of the test's own environment reaches it but the PATH. */
export const startJetty = (env: Record<string, string>, command = sourceCommand()): JettyProcess => {
  const child = spawn(command[0] ?? '', command.slice(1), {
    cwd: root,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: process.env.TMPDIR, JETTY_PORT: '0', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  started.add(child)
  if (env.JETTY_ADMIN_TOKEN) leaks.remember('the admin token', env.JETTY_ADMIN_TOKEN)
  for (const key of env.JETTY_SECRET_KEY?.split(',') ?? []) leaks.remember('an encryption key', key)
  let out = ''
  let err = ''
  child.stdout?.on('data', (chunk) => (out += chunk))
  child.stderr?.on('data', (chunk) => (err += chunk))
  const exited = once(child, 'close').then(([code, signal]) => {
    started.delete(child)
    leaks.log(`${out}\n${err}`)
    return { code, signal }
  })
  const ready = new Promise<Body>((resolve, reject) => {
    if (child.stdout) createInterface({ input: child.stdout }).once('line', (line) => resolve(JSON.parse(line)))
    void exited.then(({ code }) => reject(new Error(`the server ended with ${code}: ${err}`)))
  })
  ready.catch(() => {})
  return {
    child,
    ready,
    exited,
    stdout: () => out,
    stderr: () => err,
    async stop(signal = 'SIGTERM') {
      child.kill(signal)
      const late = setTimeout(() => child.kill('SIGKILL'), longestDrainMs)
      const { code } = await exited
      clearTimeout(late)
      return code
    },
  }
}

const sourceCommand = (): string[] => [
  process.execPath,
  ...['--import', file('./ends-with-parent.mjs'), compiledProgram('src/bin'), 'serve'],
]

/** Ends every server that a test left behind; fails when one has printed a secret. */
export const killJetties = async (): Promise<void> => {
  for (const child of started) child.kill('SIGKILL')
  await Promise.all([...started].map((child) => once(child, 'close')))
  await leaks.check({})
}

/** A port that is taken until `close` is called. */
export const takePort = async (): Promise<{ port: number; close(): void }> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as { port: number }).port, close: () => void server.close() }
}

/** One call to a server, as JSON. */
export const callJetty = async (
  url: string,
  token: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: Body }> => {
  const sent = body === undefined ? undefined : JSON.stringify(body)
  leaks.remember('a token', token)
  for (const { name, value } of sentSecrets('application/json', sent ?? '')) leaks.remember(name, value)
  const response = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(sent === undefined ? {} : { body: sent }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
}
