import { stripVTControlCharacters } from 'node:util'
import { afterEach, beforeEach, expect, it, test, vi } from 'vitest'
import type { Logger } from '../../lib/log.ts'
import { loadSettings, type Settings } from '../../lib/settings/config.ts'
import type { MachineCheck } from '../../server/local/machine-checks.ts'
import type { Server } from '../../server/start-server.ts'
import { lookLater, startupText, terminalLogLine } from './serve.ts'

const hanging = vi.fn(
  (_settings: Settings, signal?: AbortSignal) =>
    new Promise<MachineCheck>((resolve) => {
      const end = () => resolve({ name: 'sandbox', state: 'warning', found: 'none: it was given up' })
      signal?.addEventListener('abort', end, { once: true })
    }),
)
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

it('keeps no server from ending while a program of the sandbox hangs, and says nothing of it then', async () => {
  const warn = vi.fn()
  const later = lookLater({ role: 'all' } as Settings, { warn } as unknown as Logger, hanging)
  vi.advanceTimersByTime(10_000)
  expect(hanging).toHaveBeenCalledOnce()
  await later.stop()
  expect(warn).not.toHaveBeenCalled()
})

const textOf = async (more: object, env: Record<string, string> = {}) => {
  const server: Partial<Server> = { url: 'http://127.0.0.1:7070', dataDir: '/data', trialKeys: [] }
  return stripVTControlCharacters(
    await startupText({ settings: loadSettings(env), server: server as Server, seconds: 1, ...more }),
  )
}

it('says which sandbox there is, and how to get one where there is none', async () => {
  const found = 'bubblewrap 0.12.0; memory cgroup v2'
  expect(await textOf({ sandbox: { name: 'sandbox', state: 'ok', found } })).toMatch(
    /Sandbox +bubblewrap 0\.12\.0; memory/,
  )
  const none = { name: 'sandbox', state: 'warning', found: 'none, so runbooks are refused', remedy: 'Install it.' }
  expect(await textOf({ sandbox: none })).toMatch(/Sandbox +none, so runbooks are refused\n +→ Install it\.\n/)
  expect(await textOf({}, { JETTY_SANDBOX: 'podman' })).toMatch(/Sandbox +podman \(`jetty doctor` tries it\)/)
  const alone = { JETTY_ROLE: 'api', DATABASE_URL: 'postgres://localhost/x' }
  expect(await textOf({}, alone)).not.toContain('Sandbox')
})

it('says where the pages are, and how a browser signs in', async () => {
  const server = { url: 'http://127.0.0.1:7070', dataDir: '/data', trialKeys: [], hasPages: true }
  expect(await textOf({ server })).toMatch(/Pages +http:\/\/127\.0\.0\.1:7070 \(`jetty sign-in` prints a link/)
  const signInUrl = 'http://127.0.0.1:7070/sign-in#once=jso_x'
  const welcoming = { ...server, makeSignInUrl: async () => signInUrl }
  expect(await textOf({ server: welcoming })).toContain(`${signInUrl} (signs in once, for ten minutes)`)
  expect(await textOf({})).not.toContain('Pages')
})

it('says where the gateway is, which keys it lends, and where models are asked', async () => {
  const settings = loadSettings({ OPENAI_BASE_URL: 'http://me:unmistakable-password@localhost:11434/v1' })
  const server: Partial<Server> = { url: 'http://127.0.0.1:7070', dataDir: '/data', trialKeys: ['GEMINI_API_KEY'] }
  const text = stripVTControlCharacters(await startupText({ settings, server: server as Server, seconds: 1 }))
  expect(text).toMatch(/Gateway +http:\/\/127\.0\.0\.1:7070\/v1 for OpenAI clients, http:\/\/127\.0\.0\.1:7070 for/)
  expect(text).toMatch(/Models +OPENAI_BASE_URL at localhost:11434\n/)
  expect(text).toMatch(/Trials +lend GEMINI_API_KEY\n/)
  expect(text).not.toContain('unmistakable-password')
})

vi.hoisted(() => vi.stubEnv('NO_COLOR', '1')) // whether there are colours is decided when their library is loaded

test('a log line is a sentence for a person, with its details behind it', () => {
  const time = new Date(2026, 0, 2, 14, 7, 2).toISOString()
  const line = JSON.stringify({
    level: 'warn',
    time,
    count: 2,
    path: '/a b',
    err: { message: 'no', stack: 'x' },
    msg: 'removed',
  })
  expect(terminalLogLine(`${line}\n`)).toBe('  14:07:02 warn  removed · count 2 · path /a b · error no\n')
})

test('what a log line quotes cannot steer the terminal', () => {
  expect(terminalLogLine(JSON.stringify({ level: 'info', time: 0, msg: 'a\u001b[2Jb' }))).not.toContain('\u001b')
})
