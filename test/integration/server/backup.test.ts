// Backs up and restores with the very commands of docs/backup.md.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createLogger } from '../../../src/lib/log.ts'
import { loadSettings } from '../../../src/lib/settings/config.ts'
import { type Server, startServer } from '../../../src/server/start-server.ts'
import { compiledProgram } from '../../compiled.ts'
import { fillDataFolder } from '../../crash/harness/data-folder.ts'
import type { Body } from '../../server.ts'
import { startReceiver, type WebhookReceiver } from '../../webhook-receiver.ts'

const page = readFileSync(fileURLToPath(new URL('../../../docs/backup.md', import.meta.url)), 'utf8')

/** The shell commands below a heading of the page, in order. */
const commandsOf = (heading: string): string[] => {
  const section = (heading ? page.split(`\n## ${heading}\n`)[1] : page)?.split(/\n##/)[0] ?? ''
  return [...section.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text = '']) => text)
}

let home: string
let dataDir: string
let env: Record<string, string>
let server: Server | undefined
let receiver: WebhookReceiver

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'jetty-backup-'))
  dataDir = join(home, '.jetty')
  env = { JETTY_DATA_DIR: dataDir, JETTY_PORT: '0', JETTY_ALLOW_PRIVATE_NETWORK: '127.0.0.1' }
  receiver = await startReceiver()
  fillDataFolder(dataDir) // the restored one begins empty
})
afterEach(async () => {
  await server?.close()
  server = undefined
  receiver.close()
  rmSync(home, { recursive: true, force: true })
})

const start = async () => {
  server = await startServer({ settings: loadSettings(env), log: createLogger({ level: 'silent' }) })
}
const stop = async () => {
  const stopping = server
  server = undefined
  await stopping?.close()
}

/** Types commands as somebody whose `jetty` is the one under test. */
const type = async (commands = '', more: Record<string, string> = {}): Promise<void> => {
  const bin = join(home, 'bin')
  mkdirSync(bin, { recursive: true })
  const program = `#!/bin/sh\nexec '${process.execPath}' '${compiledProgram('src/bin')}' "$@"\n`
  writeFileSync(join(bin, 'jetty'), program, { mode: 0o755 })
  expect(commands).not.toBe('')
  await promisify(execFile)('bash', ['-euc', commands], {
    cwd: home,
    env: { PATH: `${bin}:${process.env.PATH}`, HOME: home, ...env, ...more },
  })
}

const call = async (
  method: string,
  path: string,
  body?: FormData | object,
): Promise<{ status: number; body: Body }> => {
  const isForm = body instanceof FormData
  const answer = await fetch(`${server?.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${server?.adminToken}`,
      ...(body && !isForm && { 'content-type': 'application/json' }),
    },
    ...(body && { body: isForm ? body : JSON.stringify(body) }),
  })
  const text = await answer.text()
  const isJson = answer.headers.get('content-type')?.startsWith('application/json')
  return { status: answer.status, body: isJson ? JSON.parse(text) : text }
}

const statusOf = async (task: string, id: string) =>
  (await call('GET', `/api/v1/db/trajectory/acme/${task}/${id}`)).body.status
const run = async (task: string): Promise<string> => {
  const form = new FormData()
  form.append('webhook_url', `${receiver.url}/told`)
  return (await call('POST', `/api/v1/run/acme/${task}`, form)).body.trajectory_id
}
const decide = (id: string) =>
  call('POST', `/api/v1/trajectory/acme/asks/${id}/steps/gate/approval`, { decision: 'approve' })
const isWaiting = async () => (await call('GET', '/api/v1/approvals/acme')).body.approvals.length === 1

/** What is there at the moment of the backup. */
const fill = async () => {
  await call('POST', '/api/v1/collections', { name: 'acme' })
  const echo = { step_configs: { say: { activity: 'text_echo', text: 'kept' } }, steps: ['say'], init_params: {} }
  const gate = { activity: 'wait_for_approval', message: 'May it go on?' }
  await call('POST', '/api/v1/tasks/acme', { name: 'says', workflow: echo })
  await call('POST', '/api/v1/tasks/acme', {
    name: 'asks',
    workflow: { step_configs: { gate }, steps: ['gate'], init_params: {} },
  })
  const routine = { name: 'hourly', cadence: { type: 'hourly', minute_utc: 0 } }
  expect((await call('POST', '/api/v1/routines/acme/says', routine)).status).toBe(201)
  const form = new FormData()
  form.append('file', new Blob(['kept']), 'kept.txt')
  form.append('purpose', 'user_data')
  form.append('collection', 'acme')
  const file = (await call('POST', '/api/v1/files', form)).body.id
  const [done, open] = [await run('says'), await run('asks')]
  await expect.poll(() => statusOf('says', done)).toBe('completed')
  await expect.poll(() => receiver.of(done)).toHaveLength(1)
  await expect.poll(isWaiting).toBe(true)
  return { file, done, open }
}

/** What is done afterwards, and lost. */
const goOn = async ({ open }: { open: string }) => {
  await decide(open)
  await expect.poll(() => statusOf('asks', open)).toBe('completed')
  await expect.poll(() => receiver.of(open)).toHaveLength(1)
  const later = await run('says')
  await expect.poll(() => statusOf('says', later)).toBe('completed')
  return later
}

const expectRestored = async ({ file, done, open }: { file: string; done: string; open: string }, later: string) => {
  expect(await statusOf('says', done)).toBe('completed')
  expect((await call('GET', `/api/v1/files/${file}/content`)).body).toBe('kept')
  expect((await call('GET', `/api/v1/db/trajectory/acme/says/${later}`)).status).toBe(404)
  expect((await call('GET', '/api/v1/routines/acme/says')).body.routines).toMatchObject([{ name: 'hourly' }])
  await expect.poll(isWaiting).toBe(true)
  await decide(open)
  await expect.poll(() => statusOf('asks', open)).toBe('completed')
  await expect.poll(() => receiver.of(open)).toHaveLength(2) // the decision was lost, and its webhook comes again
  expect(receiver.of(done)).toHaveLength(1)
  expect((await server?.objects.owner())?.state).toBe('alone')
}

test('a copy of the data folder brings the embedded Postgres back', { timeout: 180_000 }, async () => {
  const [backup, restore] = commandsOf('Copies by other programs')
  await start()
  const before = await fill()
  await stop()
  await type(backup)
  await start()
  const later = await goOn(before)
  await stop()
  await type(restore)
  await start()
  await expectRestored(before, later)
})

test('jetty backup and jetty restore bring a running server back', { timeout: 180_000 }, async () => {
  const here = (commands = '') => commands.replaceAll('jetty.backup', '"$HOME/jetty.backup"')
  const [backup] = commandsOf('') // the first one of the page
  const [restore = '', go] = commandsOf('Restore')
  const lines = restore.trim().split('\n')
  expect(lines.at(-1)).toMatch(/ jetty serve /)
  await start()
  const before = await fill()
  await type(here(backup)) // while the server runs
  const later = await goOn(before)
  await stop()
  await type(here(lines.slice(0, -1).join('\n')))
  env.JETTY_DATA_DIR = join(home, '.jetty-restored')
  await start()
  await type(go)
  await expectRestored(before, later)
})
