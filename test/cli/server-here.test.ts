// How the command line finds the server of this machine, and to which server it sends the kept token.

import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { type JettyProcess, killJetties, startJetty } from '../jetty-process.ts'
import { builtProgram } from '../shared.ts'
import { openShell, type Shell } from './shell.ts'

let database: TestDatabase
let shell: Shell
let served: JettyProcess
let url: string
let dataDir: string
let token: string
/** Somebody else's server, which keeps what it was asked with. */
let other: Server
let otherUrl: string
const publicUrl = 'https://jetty.example.com'
const heard: (string | undefined)[] = []

/** The shell of the same user whose server it is; only `env` says where that is. */
const jetty = (args: string[], env: Record<string, string> = {}) =>
  shell.jetty(args, { env: { JETTY_API_URL: '', ...env } })
const config = (name: string) => join(shell.home, '.config/jetty', name)

beforeAll(async () => {
  database = await createTestDatabase()
  shell = openShell('', 'unused')
  dataDir = join(shell.home, '.jetty')
  rmSync(config('token'))
  served = startJetty({ HOME: shell.home, DATABASE_URL: database.url, JETTY_PROT: '1', JETTY_PUBLIC_URL: publicUrl })
  url = (await served.ready).url
  token = readFileSync(config('token'), 'utf8').trim()
  other = createServer((request, response) => {
    heard.push(request.headers.authorization)
    response.writeHead(401, { 'content-type': 'application/json' }).end('{"detail":"Invalid API key"}')
  }).listen(0, '127.0.0.1')
  await once(other, 'listening')
  otherUrl = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
})
afterAll(async () => {
  other?.close()
  await killJetties()
  shell?.close()
  await database?.drop()
})
beforeEach(() => {
  heard.length = 0
  rmSync(config('api_base'), { force: true })
  writeFileSync(config('token'), `${token}\n`, { mode: 0o600 })
})

describe('the server', () => {
  it('is the one that runs on the data folder, where nothing else names one', async () => {
    expect((await jetty(['status', '--json'])).json()).toMatchObject({
      url,
      url_source: `the server that runs on ${dataDir}`,
      answers: true,
      processes: [{ pid: served.child.pid, role: 'all', url }],
    })
    const whoami = await jetty(['whoami'])
    expect(whoami).toMatchObject({ code: 0 })
    expect(whoami.stdout).toContain(url)
  })

  it.each([
    ['JETTY_PORT', { JETTY_PORT: '1', JETTY_HOST: '0.0.0.0' }, 'http://127.0.0.1:1'],
    ['JETTY_API_URL', { JETTY_PORT: '1', JETTY_API_URL: 'http://127.0.0.1:2' }, 'http://127.0.0.1:2'],
  ])('is that of %s before', async (source, env, expected) => {
    const ended = await jetty(['status', '--json'], env)
    expect(ended).toMatchObject({ code: 3 })
    expect(ended.json()).toMatchObject({ url: expected, url_source: source, answers: false })
  })

  it('is the one on JETTY_DATA_DIR before that of the last login, and that one before the one on ~/.jetty', async () => {
    writeFileSync(config('api_base'), 'http://127.0.0.1:3\n')
    expect((await jetty(['status', '--json'])).json()).toMatchObject({ url: 'http://127.0.0.1:3' })
    expect((await jetty(['status', '--json'], { JETTY_DATA_DIR: dataDir })).json()).toMatchObject({ url })
    const lost = await jetty(['whoami'])
    expect(lost).toMatchObject({ code: 3 })
    expect(lost.stderr).toContain(`the address comes from ${config('api_base')}`)
    expect(lost.stderr).toContain(`listens at ${url}`)
  })

  it('is no longer one that has ended', async () => {
    const folder = join(shell.home, 'ended')
    const note = JSON.parse(readFileSync(join(dataDir, 'servers', `${served.child.pid}.json`), 'utf8'))
    mkdirSync(join(folder, 'servers'), { recursive: true })
    writeFileSync(join(folder, 'servers/1.json'), JSON.stringify({ ...note, startedAt: 'another' }))
    writeFileSync(join(folder, 'servers/2.json'), '{"pid":')
    expect((await jetty(['status', '--json'], { JETTY_DATA_DIR: folder })).json()).toMatchObject({ processes: [] })
  })

  it('is known to doctor by its own port, which is not said to be taken', async () => {
    const { port } = new URL(url)
    for (const env of [{}, { JETTY_PORT: port }]) {
      const checks = (await jetty(['doctor', '--json'], { ...env, DATABASE_URL: database.url })).json()
      const states = Object.fromEntries(checks.map((one: { name: string; state: string }) => [one.name, one.state]))
      expect(states).toMatchObject({ server: 'ok', token: 'ok', port: 'ok' })
    }
  })
})

describe('the kept token', () => {
  it('is never sent to another server than the one it was made for', async () => {
    writeFileSync(config('api_base'), `${url}\n`)
    const { port } = new URL(otherUrl)
    for (const [args, env] of [
      [[], { JETTY_PORT: port }],
      [[], { JETTY_API_URL: otherUrl }],
      [['--url', otherUrl], {}],
    ] as const) {
      const ended = await jetty(['whoami', ...args], env)
      expect(ended).toMatchObject({ code: 2, stdout: '' })
      expect(ended.stderr).toContain(`There is no token for ${otherUrl}`)
      expect(ended.stderr).toContain(`belongs to ${url} and was not sent. Log in with: jetty login --url ${otherUrl}`)
    }
    expect(heard).toEqual([undefined, undefined, undefined])
  })

  it('goes to the server it was made for by its other names, and after that has moved to another port', async () => {
    for (const madeFor of [url.replace('127.0.0.1', '0.0.0.0'), 'http://localhost:9']) {
      writeFileSync(config('api_base'), madeFor)
      expect(await jetty(['whoami'], { JETTY_DATA_DIR: dataDir })).toMatchObject({ code: 0 })
    }
    writeFileSync(config('api_base'), publicUrl)
    expect(await jetty(['whoami'], { JETTY_DATA_DIR: dataDir })).toMatchObject({ code: 0 })
    writeFileSync(config('api_base'), 'https://elsewhere.example.com')
    const ended = await jetty(['whoami'], { JETTY_DATA_DIR: dataDir })
    expect(ended).toMatchObject({ code: 2 })
    expect(ended.stderr).toContain('belongs to https://elsewhere.example.com')
  })

  it('makes room for the one that the first start left in the data folder', async () => {
    const left = join(dataDir, 'demo-token')
    writeFileSync(left, token, { mode: 0o600 })
    try {
      writeFileSync(config('token'), 'mlc_00000000000000000000000000000000')
      expect((await jetty(['whoami', '--json'])).json()).toMatchObject({ token_source: left })
      writeFileSync(config('api_base'), 'https://elsewhere.example.com')
      const env = { JETTY_DATA_DIR: dataDir }
      expect((await jetty(['whoami', '--json'], env)).json()).toMatchObject({ token_source: left })
    } finally {
      rmSync(left)
    }
  })

  it('is kept by a login together with its server', async () => {
    const { code } = await shell.jetty(['login'], { stdin: token, env: { JETTY_API_URL: url } })
    expect(code).toBe(0)
    expect(readFileSync(config('api_base'), 'utf8').trim()).toBe(url)
    const refused = await shell.jetty(['login'], { stdin: 'mlc_wrong', env: { JETTY_API_URL: url } })
    expect(refused).toMatchObject({ code: 2 })
    expect(refused.stderr).toContain('The token was not saved')
    expect(readFileSync(config('token'), 'utf8').trim()).toBe(token)
  })

  it('is overridden by JETTY_API_TOKEN, and a wrong one is told so', async () => {
    const ended = await jetty(['whoami'], { JETTY_API_TOKEN: 'mlc_00000000000000000000000000000000' })
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    expect(ended.stderr).toContain('JETTY_API_TOKEN is set, and overrides the token of `jetty login`')
  })
})

describe('variables that are no settings', () => {
  it('are named by serve and doctor, with the one that was probably meant', async () => {
    expect(served.stderr()).toContain('JETTY_PROT is not a setting. Did you mean JETTY_PORT?')
    const checks = (await jetty(['doctor', '--json'], { JETTY_DATADIR: '/x', JETTY_QQQQQQ: '1' })).json()
    expect(checks.find(({ name }: { name: string }) => name === 'settings')).toEqual({
      name: 'settings',
      state: 'warning',
      found: 'JETTY_DATADIR, JETTY_QQQQQQ',
      remedy: expect.stringContaining(
        'Did you mean JETTY_DATA_DIR? JETTY_QQQQQQ is not a setting. `jetty serve --settings`',
      ),
    })
  })
})

describe('jetty serve and jetty stop', () => {
  it('take the port and the data folder as options; stop waits until the server has drained', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'jetty-stopped-'))
    const another = await createTestDatabase()
    try {
      const program = [process.execPath, await builtProgram(), 'serve', '--port', '0']
      const second = startJetty({ HOME: shell.home, DATABASE_URL: another.url, JETTY_PORT: '1' }, [
        ...program,
        '--data-dir',
        folder,
      ])
      const line = await second.ready
      expect(line).toMatchObject({ data_dir: folder })
      const ended = await jetty(['stop'], { JETTY_DATA_DIR: folder })
      expect(ended).toMatchObject({ code: 0, stdout: `Stopped process ${line.pid}\n` })
      expect(await second.exited).toMatchObject({ code: 0 })
      expect(readdirSync(join(folder, 'servers'))).toEqual([])
      const again = await jetty(['stop'], { JETTY_DATA_DIR: folder })
      expect(again).toMatchObject({
        code: 0,
        stdout: '',
        stderr: expect.stringContaining(`No server runs on the data folder ${folder}`),
      })
      expect(existsSync(join(dataDir, 'servers', `${served.child.pid}.json`))).toBe(true)
    } finally {
      await another.drop()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
