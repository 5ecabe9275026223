// A place in which the command blocks of the guides run as they stand: a server with the tasks of a first start, a home, a token.
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { demoTasks } from '../../src/server/demo/first-start.ts'
import { openShell, type Shell } from '../cli/shell.ts'
import { failuresOf, runBlocks, type ShellBlock, shellBlocksOf } from '../document-blocks.ts'
import { startTestServer, type TestServer, type TestServerOptions } from '../server.ts'
import { builtProgram } from '../shared.ts'
import { blocksLeftOut } from './blocks-left-out.ts'
import { openTypedJetty } from './typed-jetty.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The text of a guide. */
export const guide = (name: string): string => readFileSync(join(root, 'docs', `${name}.md`), 'utf8')

/** Texts of a guide and what the reader of this test puts in their place: a key, an address, the other end of a call. */
export type Values = readonly (readonly [text: string, value: string])[]

/**
 * Runs the blocks of a guide one after the other in a folder of its own, and returns what each printed. Blocks that
 * `blocksLeftOut` names are not run. Fails when a block fails, or when no block has a text of `values`.
 */
export type Follow = (name: string, values?: Values) => Promise<string[]>

export interface GuideWorld {
  server: TestServer
  shell: Shell
  env: Record<string, string>
  follow: Follow
  close(): Promise<void>
}

/** Address of a server in the guides; some name it in code of other languages only. */
const address = 'http://localhost:7070'

const withValues = (blocks: readonly ShellBlock[], values: Values): ShellBlock[] => {
  const missing = values.filter(([text]) => !blocks.some((block) => block.text.includes(text)) && text !== address)
  if (missing.length > 0) throw new Error(`No block has ${missing.map(([text]) => text).join(' or ')}`)
  return blocks.map((block) => ({
    ...block,
    text: values.reduce((done, [text, value]) => done.replaceAll(text, value), block.text),
  }))
}

/** Makes the folder for the commands that the guides call, with `jetty` in it. */
export const makeCommands = (home: string, program: string): string => {
  const folder = join(home, 'bin')
  mkdirSync(folder)
  writeFileSync(join(folder, 'jetty'), `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`)
  chmodSync(join(folder, 'jetty'), 0o755)
  return folder
}

/** Makes the reader of guides who has this home and environment. */
export const makeFollow =
  (home: string, env: Record<string, string>): Follow =>
  async (name, values = []) => {
    const folder = join(home, name)
    if (!existsSync(folder)) mkdirSync(folder)
    symlinkSync(join(root, 'examples'), join(folder, 'examples'))
    const leftOut = blocksLeftOut.filter(({ page }) => page === name)
    const blocks = shellBlocksOf(guide(name)).filter(({ text }) => !leftOut.some(({ has }) => text.includes(has)))
    const outcomes = await runBlocks(withValues(blocks, values), { folder, env })
    const failures = failuresOf(outcomes)
    if (failures.length > 0) throw new Error(`docs/${name}.md: ${failures.join('\n\n')}`)
    return outcomes.map(({ printed }) => printed)
  }

/** Starts a server with the collection `demo`, as a first start makes it, and a home with its key. */
export const openGuideWorld = async (options: TestServerOptions = {}): Promise<GuideWorld> => {
  const server = await startTestServer(options)
  await server.call('POST', '/api/v1/collections', { name: 'demo' })
  for (const task of demoTasks) await server.call('POST', '/api/v1/tasks/demo', task)
  const made = await server.call('POST', '/api/v1/api-keys', { name: 'reader', collection_name: 'demo' })
  const shell = openShell(server.url, made.body.api_key)
  symlinkSync(server.dataDir, join(shell.home, '.jetty'))
  const program = await builtProgram()
  const commands = makeCommands(shell.home, program)
  const typed = await openTypedJetty(commands, program)
  const env = {
    ...{
      PATH: `${commands}:${process.env.PATH}`,
      HOME: shell.home,
      NO_COLOR: '1',
    },
    ...{ JETTY_API_URL: server.url, JETTY_API_TOKEN: made.body.api_key as string },
  }
  const follow = makeFollow(shell.home, env)
  return {
    ...{ server, shell, env },
    follow: (name, values = []) =>
      follow(name, guide(name).includes(address) ? [...values, [address, server.url]] : values),
    async close() {
      typed.close()
      shell.close()
      await server.close()
    },
  }
}
