// Every command block of skills/, as a coding agent would run it: installed, each block in a shell of its own.
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openShell, type Shell } from '../cli/shell.ts'
import { failuresOf, runBlocks, shellBlocksOf } from '../document-blocks.ts'
import { startTestServer, type TestServer } from '../server.ts'
import { builtProgram } from '../shared.ts'

let server: TestServer
let shell: Shell
let env: Record<string, string>

beforeAll(async () => {
  server = await startTestServer()
  const made = await server.call('POST', '/api/v1/api-keys', { name: 'agent', collection_name: 'acme' })
  const token: string = made.body.api_key
  shell = openShell(server.url, token)
  const folder = join(shell.home, 'bin')
  mkdirSync(folder)
  writeFileSync(join(folder, 'jetty'), `#!/bin/sh\nexec "${process.execPath}" "${await builtProgram()}" "$@"\n`)
  chmodSync(join(folder, 'jetty'), 0o755)
  env = {
    ...{ PATH: `${folder}:${process.env.PATH}`, HOME: shell.home, NO_COLOR: '1' },
    ...{ JETTY_API_URL: server.url, JETTY_API_TOKEN: token, URL: server.url, TOKEN: token },
  }
  expect(await shell.jetty(['skills', 'install', '--dir', 'skills'])).toMatchObject({ code: 0 })
})
afterAll(async () => {
  shell?.close()
  await server?.close()
})

/** Runs the blocks of pages one after the other in a copy of the skill, and gives how many there were. */
const runPages = async (skill: string, pages: string[]): Promise<number> => {
  const installed = join(shell.home, 'skills', skill)
  const folder = mkdtempSync(join(shell.home, `${skill}-`))
  cpSync(installed, folder, { recursive: true })
  const blocks = pages.flatMap((page) => shellBlocksOf(readFileSync(join(installed, page), 'utf8')))
  for (const block of blocks) expect(failuresOf(await runBlocks([block], { folder, env }))).toEqual([])
  return blocks.length
}

const skills = ['jetty', 'jetty-setup', 'create-runbook', 'optimize-runbook']

it.each(skills)(
  'runs every block of %s',
  async (skill) => {
    expect(await runPages(skill, ['SKILL.md'])).toBeGreaterThan(3)
    const references = join(shell.home, 'skills', skill, 'references')
    const pages = existsSync(references) ? readdirSync(references).sort() : []
    await runPages(
      skill,
      pages.map((name) => `references/${name}`),
    )
  },
  180_000,
)
