import type { NewAgentEvent } from '../../model/runbooks/runbook-run.ts'
import type { Agent, AgentReport } from '../agents/agent.ts'
import type { SandboxGateway } from '../gateway/sandbox-gateway.ts'
import type { Sandbox, SandboxExit } from '../isolation/sandbox.ts'
import type { AgentLog } from './agent-log.ts'
import { makeLines } from './output-lines.ts'

/** How an agent ended, and its remaining output. */
export interface AgentRun {
  exit: SandboxExit
  isStalled: boolean
  report: AgentReport
  /** The end of its standard error. */
  stderr: string
}

/** Maximum characters read of a line: an agent's event may contain a whole file. */
const longestLine = 4 * 1024 * 1024
const keptOfStderr = 4000
/** Interval of the silence check. */
const lookMs = 500

interface AgentRunOptions {
  sandbox: Pick<Sandbox, 'run' | 'places'>
  agent: Agent
  argv: readonly string[]
  env: Readonly<Record<string, string>>
  stdin: string | undefined
  gateway: Pick<SandboxGateway, 'lastTrafficMs'>
  log: Pick<AgentLog, 'write'>
  wallMs: number
  idleSeconds: number
  tell(event: NewAgentEvent): void
  scrub(text: string): string
  signal: AbortSignal
}

/** Runs an agent in its sandbox until it ends. Its output becomes events and, without secrets, the log. */
export const runAgent = async (options: AgentRunOptions): Promise<AgentRun> => {
  const { sandbox, agent, gateway, log, tell, scrub, signal } = options
  const reader = agent.reader(scrub)
  const stop = new AbortController()
  let isStalled = false
  let lastOutputMs = performance.now()
  let stderr = ''
  let text = ''
  let logProblem: string | undefined

  const lines = {
    stdout: makeLines(longestLine, scrub, (shown, line) => {
      text += shown
      for (const event of reader.line(line)) tell(event)
    }),
    stderr: makeLines(longestLine, scrub, (shown) => {
      text += shown
      stderr += shown
      if (stderr.length > 2 * keptOfStderr) stderr = stderr.slice(-keptOfStderr) // a cut copies it
    }),
  }
  const flush = async () => {
    if (text === '' || logProblem !== undefined) return
    const written = text
    text = ''
    try {
      await log.write(written)
    } catch (error) {
      logProblem = error instanceof Error ? error.message : String(error)
    }
  }

  // Counted in checks: a suspended host adds only one, and pending output is read after it.
  let silentMs = 0
  let seenMs = 0
  const watch = setInterval(() => {
    const last = Math.max(lastOutputMs, gateway.lastTrafficMs)
    silentMs = last === seenMs ? silentMs + lookMs : 0
    seenMs = last
    if (isStalled || silentMs < options.idleSeconds * 1000) return
    isStalled = true
    stop.abort()
  }, lookMs)
  try {
    const exit = await sandbox.run({
      argv: options.argv,
      env: options.env,
      cwd: sandbox.places.app,
      ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
      network: 'gateway',
      wallMs: options.wallMs,
      signal: AbortSignal.any([signal, stop.signal]),
      onOutput: async (stream, chunk) => {
        lastOutputMs = performance.now()
        lines[stream].write(chunk)
        await flush()
      },
    })
    lines.stdout.end()
    lines.stderr.end()
    for (const event of reader.rest()) tell(event)
    await flush()
    if (logProblem !== undefined)
      tell({ type: 'warning', message: `The log of the agent is not complete: ${logProblem}` })
    return {
      exit,
      isStalled: isStalled && exit.reason === 'cancelled' && !signal.aborted,
      report: reader.report(),
      stderr: stderr.slice(-keptOfStderr),
    }
  } finally {
    clearInterval(watch)
  }
}
