// What the command line does with tokens (contract 6.1 rows 6 to 11, 6.2): where they are kept, and that none is shown.
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { openShell, type Shell } from '../cli/shell.ts'
import { type CompatServer, echoing, startCompatServer } from './client.ts'
import { test } from './promise.ts'

let server: CompatServer
let shell: Shell
beforeAll(async () => {
  server = await startCompatServer()
  await server.client.json('POST', '/api/v1/tasks/acme', { name: 'echo', description: '', workflow: echoing })
})
afterAll(() => server?.close())

beforeEach(() => {
  shell = openShell(server.jetty.url, server.key)
})
afterEach(() => {
  // Whatever was typed and shown: a token or a secret is not part of it.
  expect(shell.seen()).not.toContain(server.key)
  shell.close()
})

const tokenFile = () => join(shell.home, '.config/jetty/token')
const forget = () => rmSync(join(shell.home, '.config'), { recursive: true })
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)
const redacted = () => `mlc_...${server.key.slice(-4)}`

test('the token file of row 6 is written by login, read by each command, and private', async () => {
  forget()
  const before = await shell.jetty(['whoami'])
  expect([before.code === 0, before.stderr]).toEqual([false, expect.stringMatching(/jetty login/)])
  const login = await shell.jetty(['login'], { stdin: `${server.key}\n` })
  expect([login.code, login.stdout]).toEqual([0, expect.stringContaining(redacted())])
  expect((await readFile(tokenFile(), 'utf8')).trim()).toBe(server.key)
  expect([mode(tokenFile()), mode(join(shell.home, '.config/jetty'))]).toEqual(['600', '700'])
  const after = await shell.jetty(['whoami', '--json'])
  expect([after.code, after.json().name, after.json().collections]).toEqual([0, 'ci', ['acme']])
  writeFileSync(tokenFile(), `mlc_${'0'.repeat(32)}`)
  expect((await shell.jetty(['whoami'])).stderr).toMatch(/Invalid or inactive API key/)
})

test('a folder that others could read becomes private with the next login', async () => {
  forget()
  mkdirSync(join(shell.home, '.config/jetty'), { recursive: true, mode: 0o755 })
  writeFileSync(tokenFile(), 'mlc_old', { mode: 0o644 })
  await shell.jetty(['login'], { stdin: server.key })
  expect([mode(tokenFile()), mode(join(shell.home, '.config/jetty'))]).toEqual(['600', '700'])
})

test('the token of row 7 moves from CLAUDE.md to the token file, and the rest of CLAUDE.md stays', async () => {
  forget()
  const path = shell.file('CLAUDE.md', `# Notes\n\nJetty token: ${server.key}\n\nKeep this.\n`)
  const login = await shell.jetty(['login'])
  expect([login.code, (await readFile(tokenFile(), 'utf8')).trim()]).toEqual([0, server.key])
  const left = await readFile(path, 'utf8')
  expect([left.includes('mlc_'), left.includes('# Notes'), left.includes('Keep this.')]).toEqual([false, true, true])
  expect([mode(tokenFile()), mode(join(shell.home, '.config/jetty'))]).toEqual(['600', '700'])
})

test('a token in CLAUDE.md that the server refuses stays where it is', async () => {
  forget()
  const path = shell.file('CLAUDE.md', `token: mlc_${'a'.repeat(32)}\n`)
  const login = await shell.jetty(['login'])
  expect(login.stderr).toMatch(/Invalid or inactive API key/)
  expect([login.code === 0, existsSync(tokenFile()), await readFile(path, 'utf8')]).toEqual([
    false,
    false,
    `token: mlc_${'a'.repeat(32)}\n`,
  ])
})

test('the environment goes before the file; an empty variable is none', async () => {
  forget()
  const token = { JETTY_API_TOKEN: ` ${server.key}\n` }
  expect((await shell.jetty(['whoami', '--json'], { env: token })).json().name).toBe('ci')
  const empty = await shell.jetty(['whoami'], { env: { JETTY_API_TOKEN: ' ' } })
  expect(empty.stderr).toMatch(/jetty login/)
})

test('of rows 8 and 9: no command takes a token as an argument, and errors repeat none', async () => {
  const help = await shell.jetty(['login', '--help'])
  expect([help.code, help.stdout.includes('jetty login')]).toEqual([0, true])
  expect(help.stdout).not.toMatch(/--token[ =<]/)
  const refused = await shell.jetty(['login'], { stdin: `${server.key}x` })
  expect([refused.code === 0, refused.stderr.includes(server.key)]).toEqual([false, false])
  expect(refused.stderr).toMatch(/Invalid API key format/)
})

test('of row 10: env set reads the value from stdin alone', async () => {
  const value = 'stdin-value-of-row-ten'
  const set = await shell.jetty(['env', 'set', 'acme', 'ROW_TEN'], { stdin: `${value}\n` })
  expect([set.code, `${set.stdout}${set.stderr}`.includes(value)]).toEqual([0, false])
  const given = await shell.jetty(['env', 'set', 'acme', 'ROW_TEN', value])
  expect(given.code).toBe(2)
  const listed = await shell.jetty(['env', 'ls', 'acme'])
  expect([listed.stdout.includes('ROW_TEN'), listed.stdout.includes(value)]).toEqual([true, false])
})

test('of row 11: what a run produced is shown as text, with nothing in it that a terminal obeys', async () => {
  const text = 'before \u001b[2J\u001b]0;title\u0007 after'
  const run = await shell.jetty(['run', 'acme/echo', '-p', `text=${text}`, '--wait'])
  expect([run.code, run.stdout.includes('before'), run.stdout.includes('\u001b')]).toEqual([0, true, false])
})
