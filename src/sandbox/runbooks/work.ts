import { askForVerdict } from '../../activities/judge/ask.ts'
import type { Question } from '../../activities/judge/question.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import { contentTypeOf, isTextFile } from '../../lib/files/media-type.ts'
import { readStart } from '../../lib/memory/byte-blocks.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import type { RunbookFrontMatter } from '../../model/runbooks/runbook.ts'
import type { RunbookRequest } from '../../model/runbooks/runbook-request.ts'
import type { RunbookHost, Verification } from '../../model/runbooks/runbook-run.ts'
import { inside } from '../../model/runbooks/sandbox.ts'
import type { Agent, AgentReport } from '../agents/agent.ts'
import type { SandboxGateway } from '../gateway/sandbox-gateway.ts'
import type { WalkedFile, WalkLimits } from '../isolation/files/walk-results.ts'
import type { Sandbox, SandboxPlaces, SandboxProvider, SandboxSpec } from '../isolation/sandbox.ts'
import type { AgentLog } from './agent-log.ts'
import { type EmitEvents, phase } from './emit-events.ts'
import { baseEnvironment, environmentOf } from './environment.ts'
import { type DeclaredFiles, declaredFiles, matchesOf } from './format/declared-files.ts'
import { makeLines } from './output-lines.ts'
import type { RunbookPlan } from './preflight/preflight.ts'
import { lookAtResults, type Results } from './results/keep-results.ts'
import { type Failure, failureOf, isMendable, verificationFailure } from './results/success.ts'
import { type AgentRun, runAgent } from './run-agent.ts'
import { makeTail } from './tail.ts'
import { fillVariables, type Variables, variablesOf } from './variables.ts'
import { type FilledCommand, fillCommand } from './verify/fill-command.ts'

/** A verdict before repair rounds are counted. */
type CheckVerdict = Omit<Verification, 'repair_rounds'>

interface CommandCheck extends FilledCommand {
  timeoutSeconds: number
}

const keptOutput = 16 * 1024
const longestLine = 8 * 1024

/**
 * Runs a command in a fresh sandbox over a copy of the results, at the same path and without network, so that nothing
 * the agent left running or changed has an effect. Throws when it could not be run.
 */
const verifyByCommand = async (
  { command, env, timeoutSeconds }: CommandCheck,
  files: readonly WalkedFile[],
  sandbox: { provider: Pick<SandboxProvider, 'create'>; spec: Omit<SandboxSpec, 'agentFolder'> },
  scrub: (text: string) => string,
  signal: AbortSignal,
): Promise<CheckVerdict> => {
  const place = await sandbox.provider.create(sandbox.spec)
  try {
    const { places } = place
    for (const file of files) {
      signal.throwIfAborted()
      await place.put(`${inside.results}/${file.path}`, file.open(), file.isExecutable ? 0o755 : 0o644)
    }
    const output = makeTail(keptOutput)
    const lines = {
      stdout: makeLines(longestLine, scrub, output.add),
      stderr: makeLines(longestLine, scrub, output.add),
    }
    const exit = await place.run({
      argv: ['/bin/sh', '-c', command],
      env: { ...baseEnvironment(places.home), ...env },
      cwd: places.results,
      network: 'none',
      wallMs: timeoutSeconds * 1000,
      signal,
      onOutput: (stream, chunk) => lines[stream].write(chunk),
    })
    lines.stdout.end()
    lines.stderr.end()
    if (exit.reason === 'lost' || exit.reason === 'cancelled') {
      throw new AppError('sandbox_unavailable', `The check was stopped (${exit.reason})`)
    }
    const ending =
      exit.reason === 'exit' ? '' : `${endings[exit.reason]}\n`.replace('{seconds}', String(timeoutSeconds))
    return {
      passed: exit.reason === 'exit' && exit.code === 0,
      kind: 'command',
      output: `${scrub(output.text())}${ending}`, // scrubbed again: a secret may span lines
      // A command that is killed has an exit code of its own now and then, which says nothing of the check.
      exit_code: exit.reason === 'timed_out' ? null : exit.code,
      score: null,
    }
  } finally {
    await place.destroy()
  }
}

const endings = {
  timed_out: 'The check timed out after {seconds} s.',
  out_of_memory: 'The check exceeded its memory limit.',
  disk_full: 'The check exceeded its disk limit.',
  output_limit: 'The check exceeded its output limit.',
} as const

interface JudgeCheck {
  rubric: string
  /** Passing score on the scale from 1 to 5. */
  threshold: number
  model: string
}

const question: Question = { type: 'scale', min: 1, max: 5 }

/** Maximum bytes of one file shown to a judge, and of all files. */
const shownOfFile = 64 * 1024
const shownOfAll = 256 * 1024
const mostNames = 500

/** Reads the beginning of a text file. */
const textOf = async (
  { path, size, open }: WalkedFile,
  most: number,
  scrubFile: RunbookHost['scrubFile'],
): Promise<string | undefined> => {
  // Scrubbed before cutting: a cut secret would not be found.
  const { file } = scrubFile({ name: path, content_type: contentTypeOf(path), size, open })
  const bytes = (await readStart(file.open(), most)).subarray(0, most)
  return isTextFile(file.content_type, bytes) ? new TextDecoder('utf-8').decode(bytes) : undefined
}

/** Joins the results into one text, declared files first; files that do not fit are named. */
const shownFiles = async (files: readonly WalkedFile[], scrubFile: RunbookHost['scrubFile']): Promise<string> => {
  const parts = [
    `Files in the results folder: ${files.length}`,
    ...files.slice(0, mostNames).map(({ path, size }) => `- ${path} (${byteSize(size)})`),
    ...(files.length > mostNames ? [`- and ${files.length - mostNames} more`] : []),
  ]
  let left = shownOfAll
  for (const file of files) {
    if (left <= 0) break
    const text = await textOf(file, Math.min(shownOfFile, left), scrubFile)
    if (text === undefined || text === '') continue
    left -= text.length
    const cut = file.size > Buffer.byteLength(text) ? ', its beginning' : ''
    parts.push(`\n=== ${file.path}${cut} ===\n${text}`)
  }
  return parts.join('\n')
}

/** Asks a model to score the results by a rubric. Throws when it gives no verdict. */
const verifyByJudge = async (
  { rubric, threshold, model }: JudgeCheck,
  files: readonly WalkedFile[],
  host: Pick<RunbookHost, 'chat' | 'tell' | 'scrubFile'>,
  scrub: (text: string) => string,
): Promise<CheckVerdict> => {
  const item = scrub(await shownFiles(files, host.scrubFile))
  const brief = {
    instruction: rubric,
    question,
    items: [item],
    dimensions: [],
    withExplanation: true,
    systemPrompt: undefined,
  }
  const asker = {
    models: { chat: host.chat },
    warn: (message: string) => host.tell({ type: 'warning', message }),
  }
  const call = { model, provider: undefined, temperature: undefined, max_tokens: undefined }
  const { verdict } = await askForVerdict(brief, call, asker, 'the judge that verifies: ')
  const { score, explanation } = verdict
  return {
    passed: score !== null && score >= threshold,
    kind: 'judge',
    output: scrub(`${score} of 5, of which ${threshold} pass${explanation ? `: ${explanation}` : ''}`),
    exit_code: null,
    score,
  }
}

/** The check that decides instead of the agent's own report. */
interface Check {
  by: { command: CommandCheck } | { judge: JudgeCheck }
  /** Maximum repair rounds after a failed check. */
  repairRounds: number
}

const defaultSeconds = 300

/** The check that a runbook declares, with variables filled. */
const checkOf = ({ verify }: RunbookFrontMatter, variables: Variables): Check | undefined => {
  if (verify === null || verify === undefined) return undefined
  const given = typeof verify === 'string' ? { command: verify, repair_rounds: 0 } : verify
  if ('judge' in given) {
    const judge = { ...given.judge, rubric: fillVariables(given.judge.rubric, variables) }
    return { by: { judge }, repairRounds: given.repair_rounds }
  }
  const filled = fillCommand(given.command, variables)
  const timeoutSeconds = ('timeout_sec' in given ? given.timeout_sec : undefined) ?? defaultSeconds
  return { by: { command: { ...filled, timeoutSeconds } }, repairRounds: given.repair_rounds }
}

interface VerifyOptions {
  files: readonly WalkedFile[]
  declared: DeclaredFiles
  provider: Pick<SandboxProvider, 'create'>
  spec: Omit<SandboxSpec, 'agentFolder'>
  host: Pick<RunbookHost, 'chat' | 'tell' | 'scrubFile' | 'signal'>
  scrub(text: string): string
}

/** Runs the check and returns its verdict, or why it could not run. Throws only when cancelled. */
const verify = async ({ by }: Check, options: VerifyOptions): Promise<{ verdict: CheckVerdict } | Failure> => {
  const { files, declared, provider, spec, host, scrub } = options
  try {
    if ('command' in by) {
      return { verdict: await verifyByCommand(by.command, files, { provider, spec }, scrub, host.signal) }
    }
    const first = [...declared.primary, ...declared.manifest].flatMap((file) => matchesOf(file, files))
    return { verdict: await verifyByJudge(by.judge, [...new Set([...first, ...files])], host, scrub) }
  } catch (error) {
    if (host.signal.aborted)
      return { reason: 'cancelled', message: 'The run was cancelled during the independent check' }
    return {
      reason: 'verify_unavailable',
      message: `The independent check could not run: ${scrub(messageOf(error))}`,
    }
  }
}

const mostFedBack = 16 * 1024

/** Prompt that starts an agent. */
const firstPrompt = ({ prompt, files }: Pick<RunbookRequest, 'prompt' | 'files'>, places: SandboxPlaces): string =>
  [
    `Carry out the runbook ${places.runbook} from its beginning to its end.`,
    `Write every result into ${places.results}; only what is there is kept.`,
    ...(files && files.length > 0 ? [`The inputs are in ${places.assets}.`] : []),
    'Nobody can answer questions: where something is open, decide, and say in the results how.',
    'Say at the end in a few sentences what came of it.',
    ...(prompt?.trim() ? [`\nWhoever asked for it adds:\n\n${prompt.trim()}`] : []),
  ].join('\n')

/** Prompt for a repair, after the results did not pass. */
const repairPrompt = (
  round: { number: number; of: number },
  problem: string,
  output: string,
  places: SandboxPlaces,
): string =>
  [
    `You have carried out the runbook ${places.runbook}, and what you have made was checked and did not pass.`,
    problem,
    ...(output.trim() === '' ? [] : [`\nWhat the check said last:\n\n${output.trim().slice(-mostFedBack)}\n`]),
    `Mend what is in ${places.results}, so that the check passes. The check itself cannot be changed by you.`,
    `This is repair ${round.number} of at most ${round.of}.`,
  ].join('\n')

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
  tell: EmitEvents
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
    trace: host.trace,
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
