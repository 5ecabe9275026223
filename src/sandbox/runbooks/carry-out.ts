import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { AppError, messageOf } from '../../lib/errors.ts'
import { isCodingAgent, type RunbookAgent } from '../../model/runbooks/runbook-agents.ts'
import type { RunbookRequest } from '../../model/runbooks/runbook-request.ts'
import type { CarryOutRunbook, RunbookHost, RunbookOutcome, RunbookPlace } from '../../model/runbooks/runbook-run.ts'
import { inside } from '../../model/runbooks/sandbox.ts'
import type { Agent } from '../agents/agent.ts'
import type { CallBudget, OpenGateway, SandboxGateway } from '../gateway/sandbox-gateway.ts'
import { type InputLimits, putInputs } from '../isolation/files/put-inputs.ts'
import type { WalkLimits } from '../isolation/files/walk-results.ts'
import type { Sandbox, SandboxProvider } from '../isolation/sandbox.ts'
import { type AgentLog, openAgentLog } from './agent-log.ts'
import { type EmitEvents, makeEmitEvents, phase, withTexts } from './emit-events.ts'
import { declaredNames, makeToken } from './environment.ts'
import { notReady, type PlanRunbook, type RunbookPlan } from './preflight/preflight.ts'
import { type KeptResults, keepResults, nothingKept, type Results } from './results/keep-results.ts'
import { type Failure, ofFiles } from './results/success.ts'
import type { RunbookSlots } from './runbook-slots.ts'
import { instructionOf, variablesOf } from './variables.ts'
import { type Work, type Worked, workUntilItPasses } from './work.ts'

export interface CarryOutDeps {
  plan: PlanRunbook
  provider: SandboxProvider
  openGateway: OpenGateway
  agents: Readonly<Record<RunbookAgent, Agent>>
  /** Returns the folder with an agent's program, downloading it if needed. */
  ensureAgent(agent: RunbookAgent, signal: AbortSignal, tell: (message: string) => void): Promise<string | undefined>
  places: RunbookSlots
  budget: CallBudget
  inputs: InputLimits
  results: WalkLimits
  idleSeconds: number
}

/** A request with everything acquired for it so far. */
interface Attempt {
  deps: CarryOutDeps
  request: RunbookRequest
  plan: RunbookPlan
  host: RunbookHost
  tell: EmitEvents
  scrub(text: string): string
  token: string
  /** Id of sandbox, control group and container. */
  id: string
}

/** Executes runbooks: plan, slot, sandbox, gateway, agent, results, verdict; then releases everything. */
export const makeCarryOut =
  (deps: CarryOutDeps): CarryOutRunbook =>
  async (request, host) => {
    const { preflight, plan } = await deps.plan(request, placeOf(host))
    if (!plan) throw notReady(preflight)
    const token = makeToken()
    const scrub = (text: string) => host.scrub(text).replaceAll(token, '***')
    const tell = makeEmitEvents(host, scrub)
    const id = sandboxId(host.id)
    const attempt: Attempt = { deps, request, plan, host, tell, scrub, token, id }
    const outcome = await inPlace(attempt)
    const reason = outcome.failure?.reason ?? 'completed'
    tell({ type: 'end', ok: outcome.failure === null, reason })
    tell(phase('finished', outcome.failure?.message ?? 'The runbook was carried out'))
    return outcome
  }

/** Unique name of one sandbox: one left behind by a dead process may still exist. */
export const sandboxId = (id: string): string => {
  const name = id
    .toLowerCase()
    .replace(/[^a-z0-9-]/g, '-')
    .replace(/^-+/, '')
    .slice(0, 60)
  return `${name || 'run'}-${randomBytes(4).toString('hex')}`
}

const placeOf = (host: RunbookHost): RunbookPlace => ({
  env: (name) => host.caller.env(name),
  lent: (name) => host.caller.lent?.(name) ?? false,
  secretParams: host.secretParams,
  hasFile: async (path) => {
    try {
      await host.openFile(path)
      return true
    } catch (error) {
      if (error instanceof AppError && error.status < 500) return false
      throw error
    }
  },
})

const inPlace = async (attempt: Attempt): Promise<RunbookOutcome> => {
  const { deps, host, tell } = attempt
  let give: () => void
  try {
    give = await deps.places.take(host.owner, host.signal, (why) => tell(phase('waiting', why)))
  } catch (error) {
    if (host.signal.aborted) return outcomeOf(attempt, { reason: 'cancelled', message: messageOf(error) })
    throw error
  }
  try {
    return await prepared(attempt)
  } finally {
    give()
  }
}

const prepared = async (attempt: Attempt): Promise<RunbookOutcome> => {
  const { deps, plan, host, tell, id } = attempt
  const { agent, model, provider } = plan.choice
  const begun = host.isRepeated
    ? 'It was begun before, and its sandbox is gone: a fresh sandbox is started'
    : 'A sandbox is made'
  tell(
    phase(
      'preparing',
      `${begun} (${deps.provider.name}) for ${agent}${isCodingAgent(agent) ? `, ${model} of ${provider}` : ''}`,
    ),
  )
  tell(phase('preparing', plan.surroundings))
  for (const message of plan.warnings) tell({ type: 'warning', message })

  let agentFolder: string | undefined
  try {
    agentFolder = await deps.ensureAgent(agent, host.signal, (message) => tell(phase('preparing', message)))
  } catch (error) {
    return outcomeOf(attempt, host.signal.aborted ? cancelled : notStarted(agent, error))
  }
  let sandbox: Sandbox
  try {
    sandbox = await deps.provider.create({
      ...specOf(plan, id),
      ...(agentFolder === undefined ? {} : { agentFolder }),
      onProgress: (message) => tell(phase('preparing', message)),
      signal: host.signal,
    })
  } catch (error) {
    if (host.signal.aborted) return outcomeOf(attempt, cancelled)
    if (!(error instanceof AppError) || error.code !== 'sandbox_unavailable') throw error
    return outcomeOf(attempt, notStarted('The sandbox', error))
  }
  try {
    return await inSandbox(attempt, sandbox)
  } finally {
    await sandbox.destroy()
  }
}

const cancelled: Failure = { reason: 'cancelled', message: 'The run was cancelled before the agent started' }

/** The kept results may be incomplete. */
const cancelledLate: Failure = { reason: 'cancelled', message: 'The run was cancelled while its results were stored' }

const notStarted = (what: string, error: unknown): Failure => ({
  reason: 'not_started',
  message: `${what} could not be started: ${messageOf(error)}`,
  ...(error instanceof AppError && error.hint ? { hint: error.hint } : {}),
})

/** Runs the agent in its sandbox; socket and log are closed before the sandbox goes. */
const inSandbox = async (attempt: Attempt, sandbox: Sandbox): Promise<RunbookOutcome> => {
  const { deps, request, plan, host, tell, token } = attempt
  let log: AgentLog
  try {
    log = await openAgentLog()
  } catch (error) {
    return outcomeOf(attempt, notStarted('The log of the agent', error))
  }
  const socket = join(sandbox.folders.gateway, 'gateway.sock')
  let gateway: SandboxGateway | undefined
  try {
    if (host.signal.aborted) return outcomeOf(attempt, cancelled)
    gateway = await deps.openGateway({
      socket,
      token,
      provider: plan.choice.provider,
      declared: declaredNames(plan.runbook.secrets, request.agent_env ?? {}, host.secretParams),
      caller: host.caller,
      network: plan.network,
      budget: deps.budget,
      paid: host.paid,
      tell,
      signal: host.signal,
    })
    await sandbox.own(socket)
    await putEverything(attempt, sandbox)
    return await worked(attempt, sandbox, gateway, log)
  } catch (error) {
    if (host.signal.aborted) return outcomeOf(attempt, cancelled)
    if (error instanceof AppError && error.code === 'sandbox_unavailable') {
      return outcomeOf(attempt, notStarted('The sandbox', error))
    }
    throw error
  } finally {
    await gateway?.close()
    await log.close()
  }
}

const putEverything = async ({ deps, request, plan, host, tell }: Attempt, sandbox: Sandbox): Promise<void> => {
  const given = request.template_variables ?? {}
  const variables = variablesOf(plan.runbook, given, sandbox.places.results)
  await sandbox.put(inside.runbook, instructionOf(plan.runbook, request.instruction, given, variables))
  const files = await Promise.all((request.files ?? []).map((path) => host.openFile(path)))
  if (files.length === 0) return
  const put = await putInputs(sandbox, { id: host.id, files, limits: deps.inputs, signal: host.signal })
  for (const message of put.warnings) tell({ type: 'warning', message })
}

const worked = async (
  attempt: Attempt,
  sandbox: Sandbox,
  gateway: SandboxGateway,
  log: AgentLog,
): Promise<RunbookOutcome> => {
  const { deps, request, plan, host, tell, scrub, token, id } = attempt
  const work: Work = {
    request,
    plan,
    agent: deps.agents[plan.choice.agent],
    sandbox,
    gateway,
    log,
    token,
    verifyIn: (round) => ({ provider: deps.provider, spec: specOf(plan, `${id}-v${round}`) }),
    resultLimits: deps.results,
    idleSeconds: deps.idleSeconds,
    host,
    tell,
    scrub,
  }
  const ended = await workUntilItPasses(work)
  // Nothing inside is alive any more, so no further calls can come.
  await gateway.close()
  tell(phase('collecting', `Files in the results folder: ${ended.results.files.length}`))
  return outcomeOf(attempt, ended.failure, { ...ended, usage: gateway.usage(), places: sandbox.places }, log)
}

const specOf = ({ limits, image }: RunbookPlan, id: string) => ({
  id,
  limits,
  ...(image === undefined ? {} : { image }),
})

/** A declared file that was found but could not be read when it was stored counts as missing. */
const lostLate = ({ declared, report }: Worked, { found, notKept }: KeptResults): Failure | undefined =>
  notKept.length > 0 ? ofFiles({ declared, files: found, notKept, agent: report }) : undefined

/** Builds the outcome; everything the agent made is kept, also after a failure. */
const outcomeOf = async (
  { plan, host, tell, scrub, deps }: Attempt,
  failure: Failure | undefined,
  ended?: Worked & { usage: ReturnType<SandboxGateway['usage']>; places: Sandbox['places'] },
  log?: AgentLog,
): Promise<RunbookOutcome> => {
  const { agent, model, provider } = plan.choice
  const logOf = log && log.size > 0 ? log.source(`agent_${agent}.txt`) : undefined
  const results = ended && (await keepResults(ended, logOf, { host, tell, scrub }))
  const cause = failure ?? (host.signal.aborted ? cancelledLate : ended && results && lostLate(ended, results))
  const usage = ended?.usage
  return {
    failure: cause === undefined ? null : scrubbed(cause, scrub),
    ...(results?.kept ?? nothingKept),
    text: scrub(ended?.report.text ?? ''),
    agent,
    model,
    model_provider: isCodingAgent(agent) ? provider : null,
    snapshot: plan.snapshot,
    image: plan.image ?? null,
    sandbox: deps.provider.name,
    exit_code: ended?.exitCode ?? null,
    usage: {
      prompt_tokens: usage?.prompt_tokens ?? 0,
      completion_tokens: usage?.completion_tokens ?? 0,
      total_tokens: (usage?.prompt_tokens ?? 0) + (usage?.completion_tokens ?? 0),
      cost_usd: usage ? usage.cost_usd : 0,
      duration_seconds: Math.round((ended?.durationMs ?? 0) / 10) / 100,
      api_calls: usage?.answered ?? 0,
    },
    results_dir: ended?.places.results ?? inside.results,
    validation_report: reportOf(ended?.results, scrub),
    verification: ended?.verification ?? null,
  }
}

const reportOf = (
  results: Results | undefined,
  scrub: (text: string) => string,
): RunbookOutcome['validation_report'] =>
  results?.report && 'value' in results.report
    ? (withTexts(results.report.value, scrub) as RunbookOutcome['validation_report'])
    : null

const scrubbed = ({ reason, message, hint }: Failure, scrub: (text: string) => string): Failure => ({
  reason,
  message: scrub(message),
  ...(hint === undefined ? {} : { hint: scrub(hint) }),
})
