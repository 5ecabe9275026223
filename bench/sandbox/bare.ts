import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ModelProvider } from '../../src/model/runbooks/runbook.ts'
import { inside } from '../../src/model/runbooks/sandbox.ts'
import type { Agent } from '../../src/sandbox/agents/agent.ts'
import { root } from '../lib/built.ts'

export interface Bare {
  agent: Agent
  /** The folder of its program; undefined for one that is fetched from nowhere. */
  folder: string | undefined
  model: string
  provider: ModelProvider | 'scripted'
  /** Where the model answers. */
  modelUrl: string
  runbook: string
  prompt: string
  /** The file that it is to write, below the results folder. */
  result: string
}

/** The same command as in a sandbox, in a folder and with nothing around it: no gateway, no limits. Milliseconds. */
export const runBare = async (parent: string, bare: Bare): Promise<number> => {
  const begun = performance.now()
  const home = mkdtempSync(join(parent, 'bare-'))
  const app = join(home, 'app')
  mkdirSync(join(app, 'results'), { recursive: true })
  const places = {
    app,
    home,
    runbook: join(app, 'RUNBOOK.md'),
    agent: bare.folder ?? '',
    tools: join(root, 'dist/sandbox/isolation/inside'),
  }
  writeFileSync(places.runbook, bare.runbook)
  const { model, provider, prompt } = bare
  const launch = bare.agent.launch({ model, provider, prompt, token: 'bare', mcpServers: undefined, places })
  const direct = (text: string) => text.replaceAll(inside.gatewayUrl, bare.modelUrl)
  for (const { path, text } of launch.files) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, direct(text))
  }
  const [program = '', ...args] = launch.argv.map(direct)
  const env = Object.fromEntries(Object.entries(launch.env).map(([name, value]) => [name, direct(value)]))
  const child = spawn(program.endsWith('/node') ? process.execPath : program, args, {
    cwd: app,
    env: { PATH: process.env.PATH, HOME: home, USER: 'agent', LANG: 'C.UTF-8', TERM: 'dumb', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk))
  child.stdin.end(launch.stdin ?? '')
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  if (code !== 0 || !existsSync(join(app, 'results', bare.result))) {
    throw new Error(`${bare.agent.id} ended with ${code}, bare:\n${said.slice(-2000)}`)
  }
  rmSync(home, { recursive: true, force: true })
  return performance.now() - begun
}
