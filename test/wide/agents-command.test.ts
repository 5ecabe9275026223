// `jetty agents` with the npm of this machine, a registry of our own, and no server.
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { agents } from '../../src/sandbox/agents/agents.ts'
import { openShell, type Shell } from '../cli/shell.ts'
import { findClosedPort } from '../closed-port.ts'
import { type NpmRegistry, type RegistryMode, startNpmRegistry } from '../fakes/npm-registry.ts'
import type { Body } from '../server.ts'

const version = agents['claude-code'].package?.version ?? ''

vi.setConfig({ testTimeout: 150_000 })

let registry: NpmRegistry
let nobody: string
let shell: Shell
beforeAll(async () => {
  registry = await startNpmRegistry()
  nobody = `http://127.0.0.1:${await findClosedPort()}`
})
afterAll(() => registry?.close())
beforeEach(() => {
  registry.mode = 'right'
  registry.asked.length = 0
  shell = openShell(nobody, 'mlc_there_is_no_server_here_at_all00')
})
afterEach(() => shell.close())

const folder = () => join(shell.home, 'agents')
const jetty = (args: string[], env: Record<string, string> = {}, under: string[] = []) =>
  shell.jetty(['agents', ...args], {
    env: { NPM_CONFIG_REGISTRY: registry.url, JETTY_AGENTS_DIR: folder(), ...env },
    under,
  })
const install = (env: Record<string, string> = {}, under: string[] = []) =>
  jetty(['install', 'claude-code'], env, under)
const listed = async (env?: Record<string, string>): Promise<Body> =>
  (await jetty(['ls', '--json'], env)).json().find(({ id }: Body) => id === 'claude-code')
const tarballsAsked = () => registry.asked.filter((path) => path.includes('/tarball/'))
const program = (within = folder()) => readFileSync(join(within, `claude-code-${version}`, 'program'), 'utf8')

it('fetches an agent from the registry that npm is told of, lists it, and removes it', async () => {
  expect(await listed()).toMatchObject({ version, installed: false, bytes: 0 })
  const ended = await install()
  expect(ended).toMatchObject({ code: 0, stdout: expect.stringContaining(`claude-code ${version} in ${folder()}`) })
  expect(ended.stderr).toContain(`Installing claude-code ${version} from npm; this happens only once`)
  expect(program()).toMatch(/^#!\/bin\/sh/)
  expect(existsSync('/tmp/jetty-postinstall-ran')).toBe(false)
  expect(readdirSync(folder())).toEqual([`claude-code-${version}`])
  expect((await jetty(['ls'])).stdout).toMatch(/claude-code +2\.\S+ +yes +[\d.]+ KiB/)

  registry.asked.length = 0
  expect((await install()).code).toBe(0)
  expect(registry.asked).toEqual([])

  expect((await jetty(['rm', 'claude-code'])).stdout).toBe(`Removed claude-code ${version}\n`)
  expect(await listed()).toMatchObject({ installed: false })
  expect((await jetty(['rm', 'claude-code'])).stdout).toBe('There is nothing to remove\n')
})

it('goes through the proxy, and reads the .npmrc of whoever types', async () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is npm that puts the token in its place
  writeFileSync(join(shell.home, '.npmrc'), 'registry=http://npm.invalid/\n//npm.invalid/:_authToken=${NPM_TOKEN}\n')
  const ended = await shell.jetty(['agents', 'install', 'claude-code'], {
    env: { http_proxy: registry.url, NPM_TOKEN: 'npm-unmistakable-91', JETTY_AGENTS_DIR: folder() },
  })
  expect(ended).toMatchObject({ code: 0 })
  expect(registry.asked[0]).toContain('http://npm.invalid/@anthropic-ai%2fclaude-code')
})

it('refuses bytes that the registry did not vouch for, and leaves nothing of them', async () => {
  registry.mode = 'wrong'
  const ended = await install({ npm_config_fetch_retries: '0' })
  expect(ended).toMatchObject({ code: 3, stderr: expect.stringContaining('does not match the registry') })
  expect(readdirSync(folder()).filter((name) => !name.endsWith('.cache'))).toEqual([])
  registry.mode = 'right'
  expect((await install()).code).toBe(0)
})

it('is told where npm has left the program out, which it calls a success', async () => {
  registry.mode = 'cut'
  const ended = await install({ npm_config_fetch_retries: '0' })
  expect(ended).toMatchObject({
    code: 3,
    stderr: expect.stringMatching(/npm skipped \S+claude-code-\w+-\w+\n.*again/),
  })
  registry.mode = 'right'
  expect((await install()).code).toBe(0)
})

it('goes on after an interruption with what it has', async () => {
  registry.mode = 'stalled'
  const pid = join(shell.home, 'pid')
  const cache = join(folder(), `claude-code-${version}.cache`, '_cacache/index-v5')
  const kept = () => readdirSync(cache, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const interrupted = registry.stalled().then(async () => {
    await vi.waitFor(() => expect(kept().length).toBeGreaterThan(2), 60_000) // two descriptions, and the package
    process.kill(Number(readFileSync(pid, 'utf8')), 'SIGINT')
  })
  const ended = await install({}, ['sh', '-c', `echo $$ > ${pid}; exec "$0" "$@"`])
  await interrupted
  expect(ended.code).toBe(130)
  expect(readdirSync(folder()).filter((name) => !name.endsWith('.cache'))).toEqual([])
  registry.mode = 'right'
  registry.asked.length = 0
  expect((await install()).code).toBe(0)
  expect(tarballsAsked()).toEqual([expect.stringMatching(/claude-code-\w+-\w+$/)])
  expect(readdirSync(folder())).toEqual([`claude-code-${version}`])
})

it('fetches once for two who want it at the same time', async () => {
  const both = await Promise.all([install(), install()])
  expect(both.map(({ code }) => code)).toEqual([0, 0])
  expect(tarballsAsked()).toHaveLength(2) // of the package, and of its program
  expect(both.map(({ stderr }) => stderr).join()).toContain(`Waiting for another process that installs claude-code`)
})

it('needs no registry where the folder was brought from elsewhere', async () => {
  await install()
  const brought = join(shell.home, 'brought')
  cpSync(folder(), brought, { recursive: true, verbatimSymlinks: true })
  const env = { NPM_CONFIG_REGISTRY: nobody, JETTY_AGENTS_DIR: brought }
  expect(await install(env)).toMatchObject({ code: 0, stdout: expect.stringContaining(brought) })
  expect(await listed(env)).toMatchObject({ installed: true })
  expect(program(brought)).toMatch(/^#!\/bin\/sh/)
})

it.each<[string, RegistryMode | 'away', number, string, string]>([
  ['nobody answers', 'away', 3, 'does not answer', 'JETTY_AGENTS_DIR'],
  ['it wants a login', 401, 3, 'refused the login', '.npmrc'],
  ['it has no such version', 404, 2, 'does not have it', 'npm config get registry'],
])('says what to do where %s', async (_, mode, code, message, hint) => {
  if (mode !== 'away') registry.mode = mode
  const away = { NPM_CONFIG_REGISTRY: nobody, npm_config_fetch_retries: '0' }
  const ended = await install(mode === 'away' ? away : {})
  expect(ended.code).toBe(code)
  expect(ended.stderr).toContain(`${agents['claude-code'].package?.name} ${version} could not be installed`)
  expect(ended.stderr).toContain(message)
  expect(ended.stderr).toContain(hint)
})

it('says which agents there are where none is named, or one that is none', async () => {
  expect(await jetty(['install'])).toMatchObject({ code: 2, stderr: expect.stringContaining('claude-code, codex') })
  expect(await jetty(['install', 'hermes'])).toMatchObject({ code: 2, stderr: expect.stringContaining('opencode') })
})
