import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { makeAgentStore } from './agent-store.ts'
import { agents } from './agents.ts'

const log = { info: vi.fn() }
const never = new AbortController().signal
const version = agents['claude-code'].package?.version ?? ''

let base: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'jetty-agents-'))
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

/** Something in the place of npm, which does what the code says in the folder it is started in. */
const storeWith = (code: string, folder = join(base, 'agents'), system?: { os: string; cpu: string }) => {
  const file = join(base, `npm-${Math.random().toString(36).slice(2)}.mjs`)
  writeFileSync(
    file,
    `import fs from 'node:fs'; const base = ${JSON.stringify(base)}; const args = process.argv.slice(2);\n${code}`,
  )
  return makeAgentStore({ folder, log, npm: [process.execPath, file], ...(system && { system }) })
}

/** Puts there what npm would. */
const install = (system = `${process.platform}-${process.arch}`) => `
fs.appendFileSync(base + '/calls', JSON.stringify({ args, env: process.env, cwd: process.cwd() }) + '\\n')
const main = 'node_modules/@anthropic-ai/claude-code'
fs.mkdirSync(main, { recursive: true })
fs.writeFileSync(main + '/package.json', JSON.stringify({ version: ${JSON.stringify(version)} }))
fs.mkdirSync(main + '-${system}', { recursive: true, mode: 0o700 })
fs.writeFileSync(main + '-${system}/claude', 'the program', { mode: 0o700 })
`
/** The same, once it is told to. */
const held = `
fs.appendFileSync(base + '/begun', '')
while (!fs.existsSync(base + '/go')) await new Promise((resolve) => setTimeout(resolve, 20))
${install()}`
const callsOf = () =>
  readFileSync(join(base, 'calls'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { args: string[]; env: Record<string, string>; cwd: string })

it('fetches an agent once, and has it from then on without anybody', async () => {
  const store = storeWith(install())
  const told: string[] = []
  const tell = (message: string) => message.endsWith('so far') || told.push(message)
  const first = await store.ensure('claude-code', never, tell)
  expect(first).toEqual({ folder: join(base, 'agents', `claude-code-${version}`), version })
  expect(told).toEqual([
    `Installing claude-code ${version} from npm; this happens only once`,
    `claude-code ${version} is installed`,
  ])
  expect(readFileSync(join(first?.folder ?? '', 'program'), 'utf8')).toBe('the program')
  expect(await storeWith('process.exit(1)').ensure('claude-code', never)).toEqual(first)
  expect(readdirSync(join(base, 'agents'))).toEqual([`claude-code-${version}`])
})

it('has npm run nothing of the package, and tells it no secret', async () => {
  vi.stubEnv('ANTHROPIC_API_KEY', 'sk-real')
  vi.stubEnv('npm_config_registry', 'https://mirror.example.com/')
  await storeWith(install()).ensure('claude-code', never)
  vi.unstubAllEnvs()
  const [call] = callsOf()
  expect(call?.args).toContain('--ignore-scripts')
  expect(call?.args.at(-1)).toBe(`@anthropic-ai/claude-code@${version}`)
  expect(JSON.stringify(call?.env)).not.toContain('sk-real')
  expect(call?.env.npm_config_registry).toBe('https://mirror.example.com/')
})

it('lets every user read what was fetched', async () => {
  const there = await storeWith(install()).ensure('claude-code', never)
  const program = join(
    there?.folder ?? '',
    'node_modules/@anthropic-ai',
    `claude-code-${process.platform}-${process.arch}`,
  )
  expect(statSync(program).mode & 0o777).toBe(0o755)
  expect(statSync(join(program, 'claude')).mode & 0o777).toBe(0o755)
})

it('fetches once for all who want it at the same time, in one process and in two', async () => {
  const slow = `await new Promise((resolve) => setTimeout(resolve, 300))\n${install()}`
  const [one, two] = [storeWith(slow), storeWith(slow)]
  const all = await Promise.all([one, one, two, two].map((store) => store.ensure('claude-code', never)))
  expect(new Set(all.map((there) => there?.folder)).size).toBe(1)
  expect(callsOf()).toHaveLength(1)
})

it('goes on for the others when one of them no longer wants it, and stops when nobody does', async () => {
  const store = storeWith(held)
  const first = new AbortController()
  const leaving = store.ensure('claude-code', first.signal)
  const staying = store.ensure('claude-code', never)
  first.abort(new Error('no longer'))
  await expect(leaving).rejects.toThrow('no longer')
  writeFileSync(join(base, 'go'), '')
  expect((await staying)?.version).toBe(version)

  await store.remove('claude-code', 'all')
  for (const name of ['begun', 'go']) rmSync(join(base, name))
  const last = new AbortController()
  const alone = store.ensure('claude-code', last.signal)
  await vi.waitFor(() => expect(existsSync(join(base, 'begun'))).toBe(true), 20_000)
  last.abort(new Error('nobody'))
  await expect(alone).rejects.toThrow('nobody')
  expect(readdirSync(join(base, 'agents')).filter((name) => !name.endsWith('.cache'))).toEqual([])
})

it('takes the place of one that died while it fetched, and throws away its half', async () => {
  const folder = join(base, 'agents')
  const place = join(folder, `claude-code-${version}`)
  mkdirSync(`${place}.draft/half`, { recursive: true })
  mkdirSync(place) // a folder without what belongs in it is no agent
  writeFileSync(`${place}.lock`, '1')
  utimesSync(`${place}.lock`, new Date(0), new Date(0))
  const there = await storeWith(install()).ensure('claude-code', never)
  expect(existsSync(join(there?.folder ?? '', 'half'))).toBe(false)
  expect(readdirSync(folder)).toEqual([`claude-code-${version}`])
})

it('puts nothing in its place whose lock was taken over while it stood still, and leaves that lock alone', async () => {
  const folder = join(base, 'agents')
  const lock = join(folder, `claude-code-${version}.lock`)
  const told: string[] = []
  const there = storeWith(held).ensure('claude-code', never, (message) => told.push(message))
  await vi.waitFor(() => expect(existsSync(join(base, 'begun'))).toBe(true), 20_000)
  writeFileSync(lock, 'of another')
  writeFileSync(join(base, 'go'), '')
  await vi.waitFor(() => expect(told.at(-1)).toContain('Waiting for another process'), 20_000)
  expect(readdirSync(folder).filter((name) => !name.endsWith('.cache'))).toEqual([`claude-code-${version}.lock`])
  expect(readFileSync(lock, 'utf8')).toBe('of another')
  rmSync(lock)
  expect((await there)?.version).toBe(version)
})

it('waits for one that lives, for as long as somebody wants it', async () => {
  const folder = join(base, 'agents')
  mkdirSync(folder)
  const lock = join(folder, `claude-code-${version}.lock`)
  writeFileSync(lock, '1')
  const told: string[] = []
  const there = storeWith(install()).ensure('claude-code', never, (message) => told.push(message))
  await vi.waitFor(
    () => expect(told).toEqual([`Waiting for another process that installs claude-code ${version}`]),
    20_000,
  )
  rmSync(lock)
  expect((await there)?.version).toBe(version)
})

it.each([
  ['npm error code ENOSPC', 'storage_full', /the disk is full/, /JETTY_AGENTS_DIR/],
  ['npm error code ENOTFOUND', 'network_failed', /registry does not answer/, /jetty agents install/],
  ['npm error code ETARGET', 'not_found', /does not have it/, /registry/],
  ['npm error code EINTEGRITY', 'upstream_failed', /checksum does not match/, /proxy/],
  ['npm error at https://me:pw@host/x', 'upstream_failed', /exit code 7: npm error at https:\/\/host\/x/, undefined],
])('says what to do where npm says %s', async (said, code, message, hint) => {
  const failed = storeWith(`process.stderr.write(${JSON.stringify(said)}); process.exitCode = 7`).ensure(
    'claude-code',
    never,
  )
  const error = await failed.catch((thrown) => thrown)
  expect(error).toMatchObject({ code, message: expect.stringMatching(message) })
  if (hint) expect(error.hint).toMatch(hint)
  expect(readdirSync(join(base, 'agents')).filter((name) => !name.endsWith('.cache'))).toEqual([])
})

it('says so where there is no npm, or no program for the system', async () => {
  const none = makeAgentStore({ folder: join(base, 'agents'), log, npm: [join(base, 'no-npm')] })
  await expect(none.ensure('claude-code', never)).rejects.toMatchObject({ code: 'not_supported', hint: /Install npm/ })
  const other = storeWith(install('plan9-mips')).ensure('claude-code', never)
  await expect(other).rejects.toMatchObject({ code: 'not_supported', message: /has no program for/ })
})

it('fetches what another system runs beside what this one does', async () => {
  const foreign = process.platform === 'linux' ? { os: 'darwin', cpu: 'arm64' } : { os: 'linux', cpu: 'x64' }
  const store = storeWith(install(`${foreign.os}-${foreign.cpu}`), undefined, foreign)
  const there = await store.ensure('claude-code', never)
  expect(there?.folder).toBe(join(base, 'agents', `claude-code-${version}-${foreign.os}-${foreign.cpu}`))
  expect(callsOf()[0]?.args).toEqual(expect.arrayContaining([`--os=${foreign.os}`, `--cpu=${foreign.cpu}`]))
})

it('lists what is there, and removes it', async () => {
  const store = storeWith(install())
  await store.ensure('claude-code', never)
  mkdirSync(join(base, 'agents', 'claude-code-1.0.0'))
  writeFileSync(join(base, 'agents', 'claude-code-1.0.0', 'some'), 'bytes')
  const [claude] = await store.list()
  expect(claude).toMatchObject({ id: 'claude-code', version, installed: true, former_versions: ['1.0.0'] })
  expect(claude?.bytes).toBeGreaterThan(10)
  expect(await store.remove('claude-code', 'former')).toEqual(['1.0.0'])
  expect(await store.remove('claude-code', 'all')).toEqual([version])
  expect((await store.list())[0]).toMatchObject({ installed: false, bytes: 0, former_versions: [] })
})

it('has nothing to fetch for the scripted agent', async () => {
  expect(await storeWith('process.exit(1)').ensure('scripted', never)).toBeUndefined()
})
