import type { RunbookRequest } from '../../model/runbooks/runbook-request.ts'
import type { RunbookHost, Verification } from '../../model/runbooks/runbook-run.ts'
import type { Agent, AgentReport } from '../agents/agent.ts'
import type { SandboxGateway } from '../gateway/sandbox-gateway.ts'
import type { WalkLimits } from '../isolation/files/walk-results.ts'
import type { Sandbox, SandboxProvider, SandboxSpec } from '../isolation/sandbox.ts'
import type { AgentLog } from './agent-log.ts'
import { environmentOf } from './environment.ts'
import { type DeclaredFiles, declaredFiles } from './format/declared-files.ts'
import type { RunbookPlan } from './preflight/preflight.ts'
import { firstPrompt, repairPrompt } from './prompts.ts'
import { lookAtResults, type Results } from './results/look-at-results.ts'
import { type Failure, failureOf, isMendable, verificationFailure } from './results/success.ts'
import { type AgentRun, runAgent } from './run-agent.ts'
import { phase, type Tell } from './tell.ts'
import { variablesOf } from './variables.ts'
import { type Check, checkOf, verify } from './verify/verify.ts'

/** An agent, its sandbox, and everything needed to examine its work. */
export interface Work {
  request: RunbookRequest
  plan: RunbookPlan
  agent: Agent
  sandbox: Sandbox
  gateway: SandboxGateway
  log: AgentLog
  token: string
  /** Sandbox specification for one verification. */
  verifyIn(round: number): { provider: Pick<SandboxProvider, 'create'>; spec: Omit<SandboxSpec, 'agentFolder'> }
  resultLimits: WalkLimits
  idleSeconds: number
  host: RunbookHost
  tell: Tell
  scrub(text: string): string
}

/** State of the work when nothing more is done. */
export interface Worked {
  failure: Failure | undefined
  results: Results
  declared: DeclaredFiles
  verification: Verification | null
  report: AgentReport
  exitCode: number | null
  /** Milliseconds of the agent and its repairs. */
  durationMs: number
}

/** Minimum remaining time for a repair. */
const leastRepairMs = 1000

/**
 * Runs the agent, examines its results, and lets it repair them where the runbook allows. The verdict depends on what
 * exists once the agent is dead.
 */
export const workUntilItPasses = async (work: Work): Promise<Worked> => {
  const { request, plan, sandbox, host, tell } = work
  const variables = variablesOf(plan.runbook, request.template_variables ?? {}, sandbox.places.results)
  const declared = declaredFiles(plan.runbook, variables, sandbox.places.results)
  const check = checkOf(plan.runbook.fields, variables)
  const repairRounds = check?.repairRounds ?? 0
  let prompt = firstPrompt({ ...request, prompt: request.prompt ?? null }, sandbox.places)
  let durationMs = 0
  for (let round = 0; ; round++) {
    tell(
      phase(
        round === 0 ? 'working' : 'repairing',
        round === 0 ? `${work.agent.id} works` : `Repair ${round} of ${repairRounds}`,
      ),
    )
    const ran = await runOnce(work, prompt, plan.timeoutSeconds * 1000 - durationMs, round === 0)
    durationMs += ran.exit.durationMs
    const judged = await judge(work, ran, declared, check, round)
    const left = plan.timeoutSeconds * 1000 - durationMs
    const { failure } = judged
    const isOver = !failure || !isMendable(failure) || round >= repairRounds || left < leastRepairMs
    if (isOver || host.signal.aborted) {
      return { ...judged, declared, report: ran.report, exitCode: ran.exit.code, durationMs }
    }
    tell({ type: 'warning', message: failure.message })
    const number = { number: round + 1, of: repairRounds }
    prompt = repairPrompt(number, failure.message, judged.verification?.output ?? '', sandbox.places)
  }
}

const runOnce = async (work: Work, prompt: string, wallMs: number, isFirst: boolean): Promise<AgentRun> => {
  const { request, plan, agent, sandbox, gateway, log, token, host, tell, scrub } = work
  const launch = agent.launch({
    model: plan.choice.model,
    provider: plan.choice.provider,
    prompt,
    token,
    mcpServers: namedServers(request.mcp_servers),
    places: sandbox.places,
  })
  if (isFirst) {
    // Later the home folder belongs to the agent: the server writes nothing there any more.
    for (const { path, text } of launch.files) await sandbox.put(path, text)
    for (const message of launch.warnings) tell({ type: 'warning', message })
  }
  const env = environmentOf({
    secrets: plan.runbook.secrets,
    agentEnv: request.agent_env ?? {},
    place: { env: (name) => host.caller.env(name), secretParams: host.secretParams },
    home: sandbox.places.home,
    launch: launch.env,
    gateway: gateway.env,
    token,
  })
  const { argv, stdin } = launch
  const { idleSeconds } = work
  return runAgent({
    sandbox,
    agent,
    argv,
    env,
    stdin,
    gateway,
    log,
    wallMs,
    idleSeconds,
    tell,
    scrub,
    signal: host.signal,
  })
}

const judge = async (
  work: Work,
  ran: AgentRun,
  declared: DeclaredFiles,
  check: Check | undefined,
  round: number,
): Promise<Pick<Worked, 'failure' | 'results' | 'verification'>> => {
  const { plan, sandbox, gateway, host, tell, scrub } = work
  const results = await lookAtResults(sandbox, declared, work.resultLimits)
  const failure = failureOf({
    exit: ran.exit,
    isStalled: ran.isStalled,
    agent: ran.report,
    stderr: ran.stderr,
    usage: gateway.usage(),
    declared,
    files: results.files,
    notKept: results.notKept,
    report: results.report,
    limits: plan.limits,
    timeoutSeconds: plan.timeoutSeconds,
    idleSeconds: work.idleSeconds,
  })
  if (failure || !check) return { failure, results, verification: null }
  tell(phase('verifying', 'command' in check.by ? 'The check of the runbook is run' : 'A judge looks at the results'))
  const said = await verify(check, {
    files: results.files,
    declared,
    ...work.verifyIn(round),
    host: { ...host, tell },
    scrub,
  })
  if ('reason' in said) return { failure: said, results, verification: null }
  const verification = { ...said.verdict, repair_rounds: round }
  return {
    failure: verification.passed ? undefined : verificationFailure(verification),
    results,
    verification,
  }
}

/** Reads the MCP servers by name, in each accepted form. */
const namedServers = (given: RunbookRequest['mcp_servers']): Readonly<Record<string, unknown>> | undefined => {
  if (!Array.isArray(given)) return given ?? undefined
  const named = given.flatMap((server: unknown, at): [string, unknown][] => {
    if (typeof server !== 'object' || server === null) return []
    const { name, ...rest } = server as Record<string, unknown>
    return [[typeof name === 'string' && name !== '' ? name : `server-${at + 1}`, rest]]
  })
  return Object.fromEntries(named)
}
