// Ctrl-C as a terminal sends it under npm: to the whole process group, and once more from npm, which forwards its own.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { findPostgres, stopPostgres } from '../../../src/store/database/postgres-process.ts'
import { compiledProgram } from '../../compiled.ts'
import type { Body } from '../../server.ts'

const longTestMs = 240_000
let home: string
let dataDir: string
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'jetty-interrupt-'))
  dataDir = join(home, '.jetty')
})
const started: ChildProcess[] = []
afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode === null) process.kill(-(child.pid ?? 0), 'SIGKILL')
  }
  const pid = findPostgres(dataDir)?.pid
  if (pid) await stopPostgres(pid)
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

/** Starts the server as its child, forwards SIGINT to it, and ends with its exit code, as npm does. */
const likeNpm = `
  const child = require('node:child_process').spawn(process.execPath, process.argv.slice(1), { stdio: 'inherit' })
  process.on('SIGINT', () => child.kill('SIGINT'))
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (signal === 'SIGINT' ? 2 : 9)))`

interface Group {
  ready: Body
  /** What a terminal does at Ctrl-C. */
  ctrlC(): void
  exited: Promise<number | null>
  stderr(): string
}

const startGroup = async (env: Record<string, string> = {}): Promise<Group> => {
  const child = spawn(process.execPath, ['-e', likeNpm, compiledProgram('src/bin'), 'serve'], {
    detached: true, // the leader of a process group of its own, as a shell makes one for each command
    env: { PATH: process.env.PATH, TMPDIR: process.env.TMPDIR, HOME: home, JETTY_PORT: '0', JETTY_WEB: 'off', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  started.push(child)
  let stderr = ''
  child.stderr?.on('data', (chunk) => (stderr += chunk))
  const exited = once(child, 'close').then(([code]) => code as number | null)
  const line = new Promise<string>((resolve, reject) => {
    if (child.stdout) createInterface({ input: child.stdout }).once('line', resolve)
    void exited.then((code) => reject(new Error(`it ended with ${code}: ${stderr}`)))
  })
  return {
    ready: JSON.parse(await line),
    ctrlC: () => process.kill(-(child.pid ?? 0), 'SIGINT'),
    exited,
    stderr: () => stderr,
  }
}

/** A request whose body never ends: it keeps a server from stopping for as long as a drain may take. */
const holdRequest = async (url: string): Promise<() => void> => {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.on('error', () => {})
  const token = readFileSync(join(home, '.config/jetty/token'), 'utf8').trim()
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: 10\r\n` +
      'Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n',
  )
  await once(socket, 'data')
  return () => socket.destroy()
}

test(
  'one Ctrl-C that arrives twice drains, ends with 0 and leaves no lock',
  async () => {
    const group = await startGroup({ JETTY_LOOP_BLOCKED_MS: '600000' }) // a busy machine is no line of this log
    group.ctrlC()
    expect(await group.exited, group.stderr()).toBe(0)
    expect(existsSync(join(dataDir, 'lock'))).toBe(false)
    expect(findPostgres(dataDir)).toBeUndefined()
    const lines = group.stderr().trim().split('\n')
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual([
      expect.stringContaining('press Ctrl-C again to stop at once'),
      'stopped',
    ])
  },
  longTestMs,
)

test(
  'a second Ctrl-C, later than a second, stops at once',
  async () => {
    const group = await startGroup({ JETTY_DRAIN_SECONDS: '600' })
    const release = await holdRequest(group.ready.url)
    group.ctrlC()
    while (!group.stderr().includes('draining')) await pause(5)
    await pause(1_200) // what tells a second key press from the first one is time alone
    group.ctrlC()
    expect(await group.exited).toBe(130)
    release()
  },
  longTestMs,
)
