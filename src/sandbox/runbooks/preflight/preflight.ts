import { AppError, type FieldIssue, messageOf } from '../../../lib/errors.ts'
import { makeGuesses } from '../../../lib/text/nearest.ts'
import type { ModelCalls } from '../../../model/gateway/model-calls.ts'
import type { RunbookLimits } from '../../../model/runbooks/runbook.ts'
import { isCodingAgent, type RunbookAgent, runbookAgents } from '../../../model/runbooks/runbook-agents.ts'
import type { PreflightCheck, RunbookPreflight, RunbookRequest } from '../../../model/runbooks/runbook-request.ts'
import type { PreflightRunbook, RunbookPlace } from '../../../model/runbooks/runbook-run.ts'
import { inside, type SandboxName, sandboxKinds } from '../../../model/runbooks/sandbox.ts'
import type { SandboxNetwork } from '../../gateway/sandbox-gateway.ts'
import type { SandboxProbe, SandboxProvider } from '../../isolation/sandbox.ts'
import type { ResolvedSnapshot, WantedSnapshot } from '../../isolation/snapshots.ts'
import { checkSecrets } from '../environment.ts'
import { declaredFiles } from '../format/declared-files.ts'
import { type Runbook, readRunbook } from '../format/runbook.ts'
import { validateRunbook } from '../format/validate.ts'
import { isNameOfFile, nameFinder, own, placeholder, unfilledOf, type Variables, variablesOf } from '../variables.ts'
import { failed, fileOffer, listed, ok, scriptedOffer, warned } from './checks.ts'
import { type Choice, type ChosenAgent, chooseAgent, type KeyPlace } from './choose-agent.ts'
import { type ChosenLimits, chooseLimits, type Machine } from './choose-limits.ts'

type Given = Readonly<Record<string, unknown>>

const secretsUnknown = (text: string, variables: Variables): string[] => {
  const names = [...text.matchAll(placeholder)]
    .map((match) => match[1] ?? '')
    .filter((name) => name.startsWith('secrets.'))
  return [...new Set(names)].filter((name) => variables(name) === undefined)
}

/** Maximum guesses: each compares all names. */
const mostGuesses = 20

/** Warns about values that match no parameter, which are mostly misspelt names. */
const checkUnused = ({ parameters, variables }: Runbook, text: string, given: Given): PreflightCheck[] => {
  const used = new Set([...text.matchAll(placeholder)].map((match) => match[1]))
  const nameOf = nameFinder(given)
  for (const { variable } of parameters) used.add(variable && nameOf(variable))
  const isUnused = (name: string) => name !== 'results_dir' && !used.has(name) && own(given, name) !== undefined
  const unused = Object.keys(given).filter(isUnused)
  if (unused.length === 0) return []
  const known = [
    ...new Set([...parameters.flatMap(({ variable }) => variable ?? []), ...variables.map((one) => one.name)]),
  ]
  const guessOf = makeGuesses(mostGuesses)
  const shown = unused.map((name) => {
    const guess = guessOf(name, known)
    return guess ? `{{${name}}} (did you mean ${guess}?)` : `{{${name}}}`
  })
  const fix =
    known.length > 0 ? `Its parameters are ${listed(known)}.` : 'Use it in the text of the runbook, or omit it.'
  return [warned('variables', `Given, but not used in the runbook: ${listed(shown)}`, fix, 'template_variables')]
}

const checkResultsDir = (given: Given, variables: Variables): PreflightCheck[] => {
  const [there, wanted] = [variables('results_dir'), own(given, 'results_dir')]
  if (wanted === undefined || wanted === there) return []
  const found = `{{results_dir}} is always ${there} in a sandbox; ${wanted} is ignored`
  return [warned('variables', found, 'Omit results_dir.', 'template_variables')]
}

const shownExamples = 5

const checkMissing = (missing: readonly string[]): PreflightCheck[] => {
  if (missing.length === 0) return []
  const examples = missing.slice(0, shownExamples).map((name) => `init_params.vars.${name}`)
  const fix = [
    `Give values in template_variables (for most tasks, ${examples.join(', ')}).`,
    ...(missing.some(isNameOfFile) ? [fileOffer] : []),
    'Or write a default into the table of parameters; `none` lets one be empty.',
  ]
  return [failed('variables', `No value for ${listed(missing)}`, fix.join(' '), 'template_variables')]
}

/** Checks that each variable has a value, and each value a variable. */
const checkVariables = (
  runbook: Runbook,
  text: string,
  given: Given,
  variables: Variables,
  hasFiles: boolean,
): { missing: string[]; checks: PreflightCheck[] } => {
  const { missing, unknown } = unfilledOf(runbook, variables, hasFiles)
  const left = [...unknown, ...secretsUnknown(text, variables)]
  const checks = [...checkUnused(runbook, text, given), ...checkResultsDir(given, variables), ...checkMissing(missing)]
  if (left.length > 0) {
    const found = `Nothing is known of ${listed(left.map((name) => `{{${name}}}`))}; it stays as it is written`
    const fix = 'Give a value in template_variables, or take it out.'
    checks.push(warned('variables', found, fix, 'template_variables'))
  }
  return { missing, checks: checks.length > 0 ? checks : [ok('variables', 'All are filled')] }
}

const shellBlock = /(`{3,}|~{3,})[ \t]*(?:sh|bash)\b/i
const bashBlock = /(`{3,}|~{3,})[ \t]*bash\b/i

/** Checks whether `scripted` can run the shell blocks of a runbook, each with the shell it names. */
const checkBlocks = (text: string, hasBash: boolean): PreflightCheck[] => {
  if (!shellBlock.test(text)) {
    const fix = 'Fence commands as ```sh or ```bash, or choose a coding agent.'
    return [failed('agent', 'scripted runs only fenced sh and bash blocks, and the runbook has none', fix, 'agent')]
  }
  if (hasBash || !bashBlock.test(text)) return []
  const fix = 'Install it (sudo apt install bash), run it in an image that has it, or fence the blocks as ```sh.'
  return [failed('agent', 'The runbook has bash blocks, but bash is not installed here', fix, 'agent')]
}

/** Checks that a user can satisfy by repeating the command with more arguments. */
const curable = ['key', 'model', 'variables', 'secrets']

/** Suggests `scripted` when a key or a model is missing and nothing else would keep it from running. */
const offerScripted = (checks: readonly PreflightCheck[], text: string, hasBash: boolean): PreflightCheck[] => {
  const failures = checks.filter(({ state }) => state === 'failed')
  const first = failures.find(({ name }) => name === 'key' || name === 'model')
  const wouldRun = checkBlocks(text, hasBash).length === 0 && failures.every(({ name }) => curable.includes(name))
  if (!first || !wouldRun) return [...checks]
  return checks.map((check) => (check === first ? { ...check, fix: `${check.fix} ${scriptedOffer}` } : check))
}

/** Programs that a runbook's text uses. */
interface ToolsUsed {
  /** Whether it mentions or runs the program; true for programs without known signs. */
  has(tool: string): boolean
  /** The `12` of "Python 3.12"; the lowest of several. Undefined when no version is named. */
  pythonMinor: number | undefined
}

/** Signs of a program in a text: a command, code, or a table cell. */
const signs: Readonly<Record<string, RegExp>> = {
  uv: /\buv\s{1,9}(run|pip|venv|sync|tool|add|init|python|lock|export|build)\b|\buvx\s|`uv`|\|\s{0,9}uv\s{0,9}\|/,
  node: /\b(node|npm|npx|pnpm|yarn)\s\S|`(node|npm|npx)`|\|\s{0,9}(node(\.js)?|npm)\s{0,9}\|/i,
  soffice: /\b(soffice|libreoffice|unoconv)\b/i,
}

const pythonVersion = /\bpython[\s-]{0,3}(?:version\s{0,3})?[>=~^"≥\s]{0,6}3\.(\d{1,2})\b/gi

export const toolsUsed = (text: string): ToolsUsed => {
  const minors = [...text.matchAll(pythonVersion)].map(([, minor]) => Number(minor))
  return {
    has: (tool) => signs[tool]?.test(text) ?? true,
    pythonMinor: minors.length > 0 ? Math.min(...minors) : undefined,
  }
}

export interface PreflightDeps {
  provider: Pick<SandboxProvider, 'name'>
  runbookLimits: RunbookLimits
  probe(): Promise<SandboxProbe>
  resolveSnapshot(wanted: WantedSnapshot): Promise<ResolvedSnapshot>
  /** Resources of the host and settings that limit a sandbox; `mechanisms` come from the probe. */
  machine: Omit<Machine, 'mechanisms'>
  serverUrl: KeyPlace['serverUrl']
  checkModel: ModelCalls['check']
  /** Supported version of an agent, and whether it is installed; undefined for agents without a program. */
  describeAgent(agent: RunbookAgent): { version: string; isHere: boolean } | undefined
}

/** A runbook that is ready to start, with all decisions about its execution. */
export interface RunbookPlan extends Pick<ChosenLimits, 'limits' | 'timeoutSeconds'> {
  choice: Choice
  runbook: Runbook
  network: SandboxNetwork
  snapshot: string | null
  image: string | undefined
  /** Description of the sandbox that the runbook will get. */
  surroundings: string
  /** Deviations from the request that are no reason to refuse. */
  warnings: string[]
}

/** Result of planning; `plan` is undefined when the runbook is not ready. */
interface Planned {
  preflight: RunbookPreflight
  plan: RunbookPlan | undefined
}
export type PlanRunbook = (request: RunbookRequest, place: RunbookPlace) => Promise<Planned>

/** Rules that the effective request decides, not the runbook alone: its prompt may say what the agent has to do. */
const decidedHere = new Set(['R4', 'R10'])

const shownFindings = 10

const checkRunbook = (text: string, limits: RunbookLimits): PreflightCheck[] => {
  const errors = validateRunbook(text, 'loose', limits).errors.filter(({ rule }) => !decidedHere.has(rule))
  if (errors.length === 0) return [ok('runbook', 'It can be read')]
  return errors
    .slice(0, shownFindings)
    .map(({ line, column, rule, message, fix }) =>
      failed('runbook', `line ${line}, column ${column}: ${message} (${rule})`, fix, 'instruction'),
    )
}

const checkFiles = async (files: readonly string[], place: RunbookPlace): Promise<PreflightCheck[]> => {
  if (files.length === 0) return []
  const missing: string[] = []
  for (const path of new Set(files)) if (!(await place.hasFile(path))) missing.push(path)
  if (missing.length === 0) return [ok('files', `${files.length} input${files.length === 1 ? '' : 's'}`)]
  const fix = 'Upload them first, and pass the storage paths from the response.'
  return [failed('files', `Not found: ${listed(missing)}`, fix, 'files')]
}

const checkSandbox = (name: SandboxName, probe: SandboxProbe): PreflightCheck[] => {
  if (!probe.works) return [failed('sandbox', probe.found, probe.remedy ?? 'See `jetty doctor`.')]
  if (sandboxKinds[name].isolates) return [ok('sandbox', `${name}: ${probe.found}`)]
  const found = `${name}: no isolation, the agent has all rights of this user`
  return [warned('sandbox', found, 'Unset JETTY_SANDBOX to isolate the agent.')]
}

/** A plain process has its user's network: a restricted request is refused rather than ignored. */
const checkNetwork = (name: SandboxName, network: SandboxNetwork): PreflightCheck[] => {
  if (sandboxKinds[name].isolates || network.mode === 'public') return []
  const fix = 'Unset JETTY_SANDBOX, or allow every host.'
  return [failed('limits', 'The network of a plain process cannot be limited', fix, 'network_enabled')]
}

const checkRequest = (request: RunbookRequest): PreflightCheck[] => {
  const checks: PreflightCheck[] = []
  if (request.subscription_credential) {
    const fix = 'Omit it, and set the key of a model provider.'
    checks.push(
      failed(
        'key',
        'A subscription credential needs a user account; API keys have none',
        fix,
        'subscription_credential',
      ),
    )
  }
  if (request.apt_packages && request.apt_packages.length > 0) {
    const fix = 'Use an image that contains them.'
    checks.push(
      warned('snapshot', `Debian packages are not installed: ${listed(request.apt_packages)}`, fix, 'apt_packages'),
    )
  }
  return checks
}

const checkVerify = async (
  { fields }: Runbook,
  place: RunbookPlace,
  checkModel: ModelCalls['check'],
): Promise<PreflightCheck[]> => {
  const { verify } = fields
  if (verify === null || verify === undefined) return []
  if (typeof verify === 'string' || 'command' in verify) return [ok('verify', 'A command decides')]
  const { model, threshold } = verify.judge
  try {
    await checkModel(
      { kind: 'chat', model },
      { env: (name) => place.env(name), lent: (name) => place.lent?.(name) ?? false },
    )
    return [ok('verify', `${model} judges; ${threshold} of 5 pass`)]
  } catch (error) {
    const hint = error instanceof AppError ? error.hint : undefined
    return [failed('verify', messageOf(error), hint ?? 'Set an available model.', 'verify')]
  }
}

const checkDeclared = (runbook: Runbook, given: Readonly<Record<string, unknown>>): PreflightCheck[] => {
  const { unclear } = declaredFiles(runbook, variablesOf(runbook, given, inside.results), inside.results)
  if (unclear.length === 0) return []
  const fix = 'Write one path relative to {{results_dir}} in each row; use * for an unknown part.'
  return [warned('runbook', `Not file paths that can be checked at the end: ${listed(unclear)}`, fix, 'instruction')]
}

const withVersion = ({ agent, checks }: ChosenAgent, deps: PreflightDeps): PreflightCheck[] => {
  const known = runbookAgents.find((one) => one === agent)
  const described = known && deps.describeAgent(known)
  if (!described) return checks
  const where = described.isHere ? '' : ', not installed yet: the first runbook installs it'
  return checks.map((check) =>
    check.name === 'agent' ? { ...check, found: `${check.found} ${described.version}${where}` } : check,
  )
}

const untried: SandboxProbe['mechanisms'] = { memory: '', pids: '', cpu: '', disk: '' }

/** Checks everything a runbook needs, decides how to execute it, and lists all faults. */
export const makePlanRunbook =
  (deps: PreflightDeps): PlanRunbook =>
  async (request, place) => {
    const runbook = readRunbook(request.instruction, deps.runbookLimits)
    const given = request.template_variables ?? {}
    const probe = await deps.probe()
    const chosen = chooseAgent(request, runbook.fields, {
      env: (name) => place.env(name),
      lent: (name) => place.lent?.(name) ?? false,
      serverUrl: deps.serverUrl,
    })
    const secrets = checkSecrets(runbook.secrets, request, place)
    const values = variablesOf(runbook, given, inside.results)
    const hasFiles = (request.files ?? []).length > 0
    const variables = checkVariables(runbook, request.instruction, given, values, hasFiles)
    // A failed probe has no mechanisms: one message about the probe is enough.
    const mechanisms = probe.works ? probe.mechanisms : untried
    const limits = chooseLimits(request, runbook.fields, { ...deps.machine, mechanisms })
    const wanted = {
      snapshot: written(request.snapshot, runbook.fields.snapshot),
      image: written(request.image, runbook.fields.image),
      uses: toolsUsed(runbook.body),
    }
    const place_ = await deps.resolveSnapshot(wanted)
    // The content of an image is unknown: the agent reports a missing bash itself.
    const hasBash = !probe.works || (place_.ok && place_.image !== undefined) || probe.tools.bash !== undefined
    const looked = [
      ...checkRunbook(request.instruction, deps.runbookLimits),
      ...checkDeclared(runbook, given),
      ...withVersion(chosen, deps),
      ...secrets.checks,
      ...variables.checks,
      ...checkSandbox(deps.provider.name, probe),
      ...checkSnapshot(place_, wanted, probe.works),
      ...(await checkFiles(request.files ?? [], place)),
      ...limits.checks,
      ...checkNetwork(deps.provider.name, limits.network),
      ...(await checkVerify(runbook, place, deps.checkModel)),
      ...checkRequest(request),
      ...(chosen.choice && !isCodingAgent(chosen.choice.agent) ? checkBlocks(runbook.body, hasBash) : []),
    ]
    const checks = offerScripted(looked, runbook.body, hasBash)
    const ready = checks.every(({ state }) => state !== 'failed')
    const preflight: RunbookPreflight = {
      ready,
      checks,
      agent: chosen.agent,
      model: chosen.model,
      model_provider: chosen.provider,
      snapshot: place_.ok ? place_.snapshot : (wanted.snapshot ?? null),
      image: (place_.ok ? place_.image : wanted.image) ?? null,
      missing_variables: variables.missing,
      missing_secrets: secrets.missing,
    }
    if (!ready || !chosen.choice || !place_.ok) return { preflight, plan: undefined }
    const warnings = checks.filter(({ state }) => state === 'warning').map(({ found }) => found)
    const { snapshot, image } = place_
    return {
      preflight,
      plan: { ...limits, choice: chosen.choice, runbook, snapshot, image, surroundings: place_.found, warnings },
    }
  }

const written = (...texts: (string | null | undefined)[]): string | undefined =>
  texts.map((text) => text?.trim()).find(Boolean)

const checkSnapshot = (
  resolved: ResolvedSnapshot,
  wanted: { snapshot: string | undefined; image: string | undefined },
  works: boolean,
): PreflightCheck[] => {
  if (!works) return []
  if (!resolved.ok) return [failed('snapshot', resolved.problem, resolved.fix, wanted.image ? 'image' : 'snapshot')]
  return [
    ok('snapshot', resolved.found),
    ...resolved.warnings.map(({ found, fix }) => warned('snapshot', found, fix, 'snapshot')),
  ]
}

/** Reports a preflight without starting anything. Never throws. */
export const makePreflight =
  (plan: PlanRunbook): PreflightRunbook =>
  async (request, place) =>
    (await plan(request, place)).preflight

/** Builds the 422 for a runbook that is not ready, naming every fault. */
export const notReady = ({ checks }: RunbookPreflight): AppError => {
  const wrong = checks.filter(({ state }) => state === 'failed')
  const issues: FieldIssue[] = wrong.map(({ name, found, fix, field }) => ({
    loc: ['body', field ?? name],
    msg: fix ? `${found}. ${fix}` : found,
    type: `preflight_${name}`,
  }))
  const message = wrong.map(({ found }) => found).join('; ')
  const hint = wrong.map(({ fix }) => fix).find((fix) => fix !== null)
  const isSandboxAlone = wrong.every(({ name }) => name === 'sandbox')
  return new AppError(isSandboxAlone ? 'sandbox_unavailable' : 'invalid', message, {
    ...(hint ? { hint } : {}),
    issues,
  })
}
