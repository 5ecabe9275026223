// The coding agents from npm find the skills where `jetty skills install` puts them, and take the package as a plugin.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import pino from 'pino'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { CodingAgent } from '../../src/model/runbooks/runbook-agents.ts'
import { makeAgentStore } from '../../src/sandbox/agents/agent-store.ts'
import { agentsFolder } from '../agents/agents-folder.ts'
import { builtProgram } from '../shared.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
const names = ['create-runbook', 'jetty', 'jetty-setup', 'optimize-runbook']

let home: string
let project: string
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'jetty-skills-'))
  project = join(home, 'project')
  mkdirSync(project)
  await run(process.execPath, [await builtProgram(), 'skills', 'install', 'gemini-cli', 'opencode'], { env: env() })
})
afterAll(() => rmSync(home, { recursive: true, force: true, maxRetries: 5 }))

const env = () => ({ PATH: process.env.PATH, HOME: home, NO_COLOR: '1' })

/** Both streams of an agent's command. */
const said = async (id: CodingAgent, args: string[], cwd = project): Promise<string> => {
  const store = makeAgentStore({ folder: agentsFolder(), log: pino({ level: 'silent' }) })
  const agent = await store.ensure(id, AbortSignal.timeout(240_000))
  const { stdout, stderr } = await run(join(agent?.folder ?? '', 'program'), args, {
    cwd,
    env: env(),
    timeout: 120_000,
  })
  return `${stdout}\n${stderr}`
}

it('Gemini CLI lists them, and takes the package as an extension', async () => {
  const listed = await said('gemini-cli', ['skills', 'list'])
  for (const name of names) expect(listed).toContain(join(home, '.gemini/skills', name, 'SKILL.md'))
  expect(await said('gemini-cli', ['extensions', 'validate', root])).toMatch(/successfully validated/)
})

it('OpenCode lists them', async () => {
  const listed = await said('opencode', ['debug', 'skill'])
  for (const name of names) expect(listed).toContain(join(home, '.config/opencode/skills', name, 'SKILL.md'))
})

it('Claude Code takes the package as a plugin', async () => {
  for (const file of ['plugin.json', 'marketplace.json']) {
    expect(await said('claude-code', ['plugin', 'validate', join(root, '.claude-plugin', file)])).toContain(
      'Validation passed',
    )
  }
})
