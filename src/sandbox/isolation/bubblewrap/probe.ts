import { AppError, messageOf } from '../../../lib/errors.ts'
import { probeTools } from '../probe-tools.ts'
import { runTool } from '../programs/run-tool.ts'
import type { LimitMechanisms, SandboxProbe, SandboxProvider } from '../sandbox.ts'
import type { BubblewrapHost } from './host.ts'
import { remedyFor } from './remedies.ts'

const nothing: LimitMechanisms = { memory: undefined, pids: undefined, cpu: undefined, disk: undefined }

/** Names the mechanism that enforces each limit: a control group, or else a best-effort watch of ours. */
export const mechanismsOf = ({ groups }: BubblewrapHost): LimitMechanisms => ({
  memory: groups?.mechanisms.memory ?? 'watched',
  pids: groups?.mechanisms.pids ?? 'rlimit',
  cpu: groups?.mechanisms.cpu,
  disk: 'watched',
})

/** Creates a sandbox exactly as a runbook would get it, and inspects it from inside. */
export const probeBubblewrap = async (
  host: () => Promise<BubblewrapHost>,
  create: SandboxProvider['create'],
  signal: AbortSignal | undefined,
): Promise<SandboxProbe> => {
  try {
    const found = await host()
    const version = /\d[\d.]*/.exec((await runTool(found.bwrap, ['--version'])).stdout)?.[0] ?? 'of unknown version'
    const tools = await probeTools(create, { signal })
    const mechanisms = mechanismsOf(found)
    const missing = found.hasSeccomp ? '' : `, no filter of system calls for ${process.arch}`
    const limits = Object.entries(mechanisms).map(([name, by]) => `${name} ${by ?? 'not limited'}`)
    return {
      works: true,
      found: `bubblewrap ${version}${missing}; ${limits.join(', ')}`,
      mechanisms,
      tools,
    }
  } catch (error) {
    const remedy = (error instanceof AppError && error.hint) || remedyFor(messageOf(error))
    return { works: false, found: messageOf(error), remedy, mechanisms: nothing, tools: {} }
  }
}
