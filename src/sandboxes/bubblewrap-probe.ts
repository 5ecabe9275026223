import { randomBytes } from 'node:crypto'
import { AppError, messageOf } from '../lib/errors.ts'
import type { BubblewrapHost } from './bubblewrap-host.ts'
import { remedyFor } from './bubblewrap-remedies.ts'
import { runTool } from './run-tool.ts'
import type { LimitMechanisms, Sandbox, SandboxProbe, SandboxProvider } from './sandbox.ts'

const probeLimits = {
  memoryBytes: 1024 ** 3,
  pids: 256,
  cpus: 1,
  diskBytes: 64 * 1024 ** 2,
  diskFiles: 1_000,
  outputBytes: 64 * 1024,
}
const probeMs = 20_000

/** Programs that runbooks expect, and how they say their version. */
const tools = ['python3', 'uv', 'node', 'git', 'pip', 'jq']
const toolScript = tools
  .map((tool) => `printf '%s\\t' ${tool}; ${tool} --version 2>/dev/null </dev/null | head -n 1; echo`)
  .join('\n')

const toolsIn = (output: string): Record<string, string | undefined> =>
  Object.fromEntries(
    tools.map((tool) => {
      const line = output.split('\n').find((text) => text.startsWith(`${tool}\t`))
      return [tool, /\d+(\.\d+)+/.exec(line ?? '')?.[0]]
    }),
  )

const nothing: LimitMechanisms = { memory: undefined, pids: undefined, cpu: undefined, disk: undefined }

/** How limits are kept here; what no control group does, our own watches do as well as they can. */
export const mechanismsOf = ({ groups }: BubblewrapHost): LimitMechanisms => ({
  memory: groups?.mechanisms.memory ?? 'watched',
  pids: groups?.mechanisms.pids ?? 'rlimit',
  cpu: groups?.mechanisms.cpu,
  disk: 'watched',
})

/** Makes a sandbox as it is made for runbooks, and looks around in it. */
export const probeBubblewrap = async (
  host: () => Promise<BubblewrapHost>,
  create: SandboxProvider['create'],
): Promise<SandboxProbe> => {
  let sandbox: Sandbox | undefined
  try {
    const found = await host()
    const version = /\d[\d.]*/.exec((await runTool(found.bwrap, ['--version'])).stdout)?.[0] ?? 'of unknown version'
    sandbox = await create({ id: `probe-${process.pid}-${randomBytes(4).toString('hex')}`, limits: probeLimits })
    let output = ''
    const { reason, code } = await sandbox.run({
      argv: ['/bin/sh', '-c', `/opt/jetty/node --version >/dev/null || exit 3\n${toolScript}\nexit 0`],
      env: {},
      network: 'none',
      wallMs: probeMs,
      signal: new AbortController().signal,
      onOutput: (_stream, chunk) => {
        output += chunk
      },
    })
    if (code === 3) throw new AppError('sandbox_unavailable', `${process.execPath} does not run inside the sandbox`)
    if (reason !== 'exit' || code !== 0)
      throw new AppError('sandbox_unavailable', `A sandbox ended with ${reason} ${code}: ${output}`)
    const mechanisms = mechanismsOf(found)
    const missing = found.hasSeccomp ? '' : `, no filter of system calls for ${process.arch}`
    const limits = Object.entries(mechanisms).map(([name, by]) => `${name} ${by ?? 'not limited'}`)
    return {
      works: true,
      found: `bubblewrap ${version}${missing}; ${limits.join(', ')}`,
      mechanisms,
      tools: toolsIn(output),
    }
  } catch (error) {
    const remedy = (error instanceof AppError && error.hint) || remedyFor(messageOf(error))
    return { works: false, found: messageOf(error), remedy, mechanisms: nothing, tools: {} }
  } finally {
    await sandbox?.destroy()
  }
}
