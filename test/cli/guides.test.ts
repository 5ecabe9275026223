// Guides by task, as somebody follows them: each block of commands in turn, on a server with the collection of the first start.
import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { demoTasks } from '../../src/demo/tasks.ts'
import { failuresOf, runBlocks, shellBlocksOf } from '../document-blocks.ts'
import { startTestServer, type TestServer } from '../server.ts'
import { bundledProgram } from '../shared.ts'
import { openShell, type Shell } from './shell.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const guide = (name: string) => readFileSync(join(root, 'docs', `${name}.md`), 'utf8')

let server: TestServer
let shell: Shell
let env: Record<string, string>

beforeAll(async () => {
  server = await startTestServer()
  await server.call('POST', '/api/v1/collections', { name: 'demo' })
  for (const task of demoTasks) await server.call('POST', '/api/v1/tasks/demo', task)
  const made = await server.call('POST', '/api/v1/api-keys', { name: 'reader', collection_name: 'demo' })
  const token: string = made.body.api_key
  shell = openShell(server.url, token)
  const folder = join(shell.home, 'bin')
  mkdirSync(folder)
  writeFileSync(join(folder, 'jetty'), `#!/bin/sh\nexec "${process.execPath}" "${await bundledProgram()}" "$@"\n`)
  chmodSync(join(folder, 'jetty'), 0o755)
  env = {
    ...{ PATH: `${folder}:${process.env.PATH}`, HOME: shell.home, NO_COLOR: '1' },
    ...{ JETTY_API_URL: server.url, JETTY_API_TOKEN: token },
  }
})
afterAll(async () => {
  shell?.close()
  await server?.close()
})

/** Runs the blocks of a guide in a folder of its own, and gives what each printed. */
const follow = async (name: string): Promise<string[]> => {
  const folder = join(shell.home, name)
  mkdirSync(folder)
  symlinkSync(join(root, 'examples'), join(folder, 'examples'))
  const outcomes = await runBlocks(shellBlocksOf(guide(name)), { folder, env })
  expect(failuresOf(outcomes)).toEqual([])
  return outcomes.map(({ printed }) => printed)
}

it('a thousand items', async () => {
  const [batch, , again] = await follow('thousand-items')
  expect(batch).toMatch(/^1000$/m)
  expect(again).toMatch(/^0$/m)
}, 180_000)

it('a failed run is understood, corrected and continued', async () => {
  const [, read, corrected] = await follow('debug-run')
  expect(read).toContain('greeting')
  expect(corrected).toContain('greeting.txt')
}, 120_000)

it.each(['sizing', 'incidents'])(
  '%s',
  async (name) => {
    await follow(name)
  },
  120_000,
)

it('a judge without a key', async () => {
  const [printed] = await follow('judging')
  for (const score of [2, 4]) expect(printed).toMatch(new RegExp(`"score": ${score}\\b`))
}, 120_000)

it('an evaluation, and another one against it', async () => {
  const [first, second] = await follow('evaluations')
  expect(first).toContain('right')
  expect(second).toContain('baseline')
}, 120_000)

it('the same job as elsewhere', async () => {
  const printed = (await follow('same-job')).join('\n')
  for (const text of ['Hello', 'Dear moon', '"ended_by": "condition"', 'score.correct:1'])
    expect(printed).toContain(text)
}, 120_000)

it('the typed client', async () => {
  await follow('client')
  const folder = join(shell.home, 'client')
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules/jetty-server'))
  const blocks = [...guide('client').matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, text]) => text)
  expect(blocks.length).toBe(3)
  writeFileSync(join(folder, 'use.mts'), blocks.join('\n').replaceAll('http://localhost:7070', server.url))
  const args = [join(root, 'node_modules/tsx/dist/cli.mjs'), 'use.mts']
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: folder, env })
  expect(stdout).toContain("{ text: 'Hello, moon!' }")
  expect(stderr).toContain("Task 'none' in collection 'demo' not found")
}, 120_000)

it('a server is secured', async () => {
  const [printed] = await follow('secure')
  expect(printed).toContain('dashboard')
}, 120_000)
