import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { confinement, lookForConfinement } from './confinement.ts'
import { makeWarmProcess } from './warm-process.ts'

const folder = mkdtempSync(join(tmpdir(), 'jetty-confined-'))
const secret = join(folder, 'secret')
const server = createServer((socket) => socket.end())
let port = 0
beforeAll(async () => {
  writeFileSync(secret, 'the secret')
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as { port: number }).port
})
afterAll(() => {
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

it('reaches no files, programs, processes and connections of the machine', { timeout: 120_000 }, async () => {
  const module = new URL('../../../test/fakes/any.js', import.meta.url).href
  const limits = { seconds: 60, memoryBytes: 512 * 1024 * 1024 }
  const kept = makeWarmProcess<object, Record<string, string>>({ module, program: 'curious-process', limits })
  const told = await kept.ask({ secret, port, pid: process.pid })
  kept.end()
  const refused = expect.stringMatching(/^refused: /)
  const { kind } = await confinement()
  expect(told).toEqual({
    answer: {
      read: refused,
      write: refused,
      run: refused,
      kill: kind === 'bubblewrap' ? refused : expect.anything(),
      connect: kind === 'bubblewrap' ? refused : 'connected',
      priority: '10',
      environment: '',
    },
  })
  expect(readFileSync(secret, 'utf8')).toBe('the secret')
})

it('without bubblewrap, Node refuses files and programs', { timeout: 120_000 }, async () => {
  const { kind, remedy, command } = await lookForConfinement('/no/bwrap')
  expect([kind, remedy]).toEqual(['node', expect.stringContaining('docs/sandboxes.md')])
  const { file, args } = command(fileURLToPath(new URL('../../../test/fakes/curious-process.js', import.meta.url)), [])
  const child = spawn(file, args, { env: {}, serialization: 'advanced', stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
  child.send({ secret, port, pid: process.pid })
  const [told] = await once(child, 'message')
  child.kill('SIGKILL')
  const refused = expect.stringContaining('ACCESS_DENIED')
  expect(told).toMatchObject({ read: refused, write: refused, run: refused, environment: '' })
})

it('goes after the requests of others, however fast it starts', { timeout: 120_000 }, async () => {
  const module = new URL('../../../test/fakes/any.js', import.meta.url).href
  const limits = { seconds: 60, memoryBytes: 512 * 1024 * 1024 }
  const priorities: unknown[] = []
  for (let round = 0; round < 20; round++) {
    const kept = makeWarmProcess<object, { priority: string }>({ module, program: 'curious-process', limits })
    const told = await kept.ask({ secret, port, pid: process.pid })
    priorities.push('answer' in told ? told.answer.priority : told.end)
    kept.end()
  }
  expect(priorities).toEqual(priorities.map(() => '10'))
})

/** Processes with that option. */
const running = (option: string): string[] =>
  readdirSync('/proc').flatMap((pid) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      return command.split('\0').includes(option) ? [pid] : []
    } catch {
      return [] // it has just ended
    }
  })

const sharesBySession = existsSync('/proc/self/autogroup')

it.runIf(sharesBySession)('has a session that goes after that of the server', { timeout: 120_000 }, async () => {
  const mebibytes = 500 + (process.pid % 200) // no other process has that option
  const module = new URL('../../../test/fakes/any.js', import.meta.url).href
  const limits = { seconds: 60, memoryBytes: mebibytes * 1024 * 1024 }
  const kept = makeWarmProcess<object, object>({ module, program: 'curious-process', limits })
  await kept.ask({ secret, port, pid: process.pid })
  const sessions = () =>
    running(`--max-old-space-size=${mebibytes}`).map((pid) => readFileSync(`/proc/${pid}/autogroup`, 'utf8').trim())
  const lowered = expect.stringMatching(/ nice 10$/)
  await expect.poll(sessions, { timeout: 10_000 }).toEqual(sessions().map(() => lowered))
  expect(sessions()).not.toEqual([])
  kept.end()
})

it.runIf(sharesBySession)('is not late because others go first', { timeout: 120_000 }, async () => {
  const mebibytes = 700 + (process.pid % 200) // no other process has that option
  const module = new URL('../../../test/fakes/any.js', import.meta.url).href
  const limits = { seconds: 60, memoryBytes: mebibytes * 1024 * 1024 }
  const kept = makeWarmProcess<object, object>({ module, program: 'curious-process', limits })
  expect(await kept.ask({ secret, port, pid: process.pid })).toHaveProperty('answer')
  const all = running(`--max-old-space-size=${mebibytes}`).map(Number)
  for (const pid of all) process.kill(pid, 'SIGSTOP')
  const answer = kept.ask({ secret, port, pid: process.pid }, 2)
  await new Promise((resolve) => setTimeout(resolve, 3_000))
  for (const pid of all) process.kill(pid, 'SIGCONT')
  expect(await answer).toHaveProperty('answer')
  kept.end()
})

it.runIf(process.platform === 'linux')(
  'leaves nothing behind, whenever it is killed',
  { timeout: 120_000 },
  async () => {
    await confinement()
    const mebibytes = 300 + (process.pid % 200) // no other process has that option
    const module = new URL('../../../test/fakes/any.js', import.meta.url).href
    const limits = { seconds: 60, memoryBytes: mebibytes * 1024 * 1024 }
    for (let round = 0; round < 150; round++) {
      const kept = makeWarmProcess<object, object>({ module, program: 'curious-process', limits })
      const answer = kept.ask({ secret, port, pid: process.pid })
      await new Promise((resolve) => setTimeout(resolve, round / 5))
      kept.end()
      await answer
    }
    await expect.poll(() => running(`--max-old-space-size=${mebibytes}`), { timeout: 10_000 }).toEqual([])
  },
)
