import { existsSync, writeFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import pc from 'picocolors'
import { AppError } from '../../lib/errors.ts'
import type { RunbookFinding, RunbookVerdict } from '../../model/runbooks/runbook.ts'
import { type EvaluationKind, evaluationKinds } from '../../model/runbooks/runbook-evaluation.ts'
import type { RunbookPreflight, RunbookRequest } from '../../model/runbooks/runbook-request.ts'
import { inside } from '../../model/runbooks/sandbox.ts'
import { standardRunbookTask, standardRunbookWorkflow } from '../../model/runbooks/standard-runbook.ts'
import { exitCodes } from '../exit.ts'
import { askSecret } from '../input/ask.ts'
import { collect, readInputText } from '../input/inputs.ts'
import { parseTask, placeText, type TaskPlace } from '../input/places.ts'
import type { TaskMembers } from '../input/task-fields.ts'
import { askMissing, refuse } from '../runbooks/ask-missing.ts'
import { preflightText, withCommands } from '../runbooks/preflight-text.ts'
import type { LocalOptions } from '../runbooks/runbook-locally.ts'
import {
  addLimitOptions,
  addRunbookOptions,
  type RunbookOptions,
  runbookRequest,
  sandboxOption,
} from '../runbooks/runbook-options.ts'
import { lookRemotely, type RemoteOptions } from '../runbooks/runbook-remotely.ts'
import { type Session, withSession } from '../session.ts'
import { safe } from '../show/output.ts'
import { deployTask, tellDeployed } from './deploy.ts'

interface DeployOptions extends RunbookOptions {
  setSecret?: string[]
  description?: string
}

/** `jetty runbook deploy`. */
const registerRunbookDeploy = (runbook: Command): void => {
  const deploy = runbook
    .command('deploy <file> <collection/task>')
    .description('Store a runbook as a task, after checking what it needs')
    .option('-d, --description <text>', 'purpose of the task')
    .option(
      '--set-secret <NAME>',
      'secret to save in the collection, read from the environment variable NAME or typed at a prompt',
      collect,
    )
  addRunbookOptions(deploy)
  addLimitOptions(deploy)
    .addHelpText(
      'after',
      `
Secrets that the runbook requires must be set in the collection. If any is missing, the command lists it and deploys
nothing. Parameters of -p are saved with the task; each run may override them.

Examples:
  jetty runbook deploy RUNBOOK.md acme/report
  jetty runbook deploy RUNBOOK.md acme/report -p subject="Flood walls" --timeout 1800
  APIFY_API_TOKEN=… jetty runbook deploy RUNBOOK.md acme/leads --set-secret APIFY_API_TOKEN`,
    )
    .action(
      withSession<DeployOptions, [string, string]>((session, [file, place], options) =>
        deployRunbook(session, file, parseTask(place), options),
      ),
    )
}

const deployRunbook = async (
  session: Session,
  file: string,
  place: TaskPlace,
  options: DeployOptions,
): Promise<void> => {
  const request = await runbookRequest(readInputText(file), options)
  const { readRunbook } = await import('../../sandbox/runbooks/format/runbook.ts')
  const { unfilledOf, variablesOf } = await import('../../sandbox/runbooks/variables.ts')
  const runbook = readRunbook(request.instruction)
  const { secrets } = runbook
  refuseSecrets(request, [...secrets.map(({ name }) => name), ...secrets.map(({ env }) => env)])
  for (const name of options.setSecret ?? []) await keepSecret(session, place, name, await secretValue(name))
  await requireReady(session, place, request)
  tellDeployed(session, place, await deployTask(session, place, fieldsOf(request, options.description)))
  const { missing } = unfilledOf(runbook, variablesOf(runbook, request.template_variables ?? {}, inside.results))
  const examples = missing.map((name) => ` -p vars.${name}=…`).join('')
  session.out.note(pc.dim(`Run it with: jetty run ${placeText(place)} --follow${examples}`))
}

/** Refuses secrets as parameters: these are stored with the task, readable by everybody. */
const refuseSecrets = ({ template_variables: given }: RunbookRequest, secrets: readonly string[]): void => {
  const secret = Object.keys(given ?? {}).find((name) => secrets.includes(name))
  if (secret === undefined) return
  throw new AppError('invalid', `${secret} is a secret of the runbook, so it cannot be saved as a parameter`, {
    hint: `Use --set-secret instead of -p ${secret}=…. Your shell may have kept the value in its history: remove it there.`,
  })
}

const secretValue = async (name: string): Promise<string> => {
  if (name.includes('=')) {
    throw new AppError(
      'invalid',
      'A secret cannot be passed as an argument: other users of this machine could read it',
      {
        hint: 'Give only the name. The value is read from the environment or stdin, or typed at a prompt.',
      },
    )
  }
  const value = process.env[name] || (await askSecret(`Value of ${name}`)).replace(/\r?\n$/, '')
  if (value !== '') return value
  throw new AppError('invalid', `The value of ${name} is empty`, {
    hint: `Set the environment variable ${name}, type the value at the prompt, or send it on stdin.`,
  })
}

const keepSecret = ({ client }: Session, { collection }: TaskPlace, name: string, value: string): Promise<unknown> =>
  client.setEnvironment({ params: { collection }, body: { environment_variables: { [name]: value } } })

const howToKeep = (names: readonly string[]): string =>
  `Save ${names.length > 1 ? 'them' : 'it'} in the collection: ${names.map((name) => `--set-secret ${name}`).join(' ')}`

/** Throws if a secret is missing that runs do not bring. Variables come with each run. */
const requireReady = async (session: Session, place: TaskPlace, request: RunbookRequest): Promise<void> => {
  const look = async (): Promise<RunbookPreflight> => {
    const found = await lookRemotely(session, place.collection, request, [])
    const checks = found.checks
      .filter(({ name, state }) => name !== 'variables' || state === 'ok')
      .map((check) =>
        check.name === 'secrets' && check.state === 'failed' && found.missing_secrets.length > 0
          ? { ...check, fix: howToKeep(found.missing_secrets) }
          : check,
      )
    return { ...found, missing_variables: [], checks, ready: checks.every(({ state }) => state !== 'failed') }
  }
  const first = await look()
  let isAsked = false
  await askMissing(request, first, async (name, value) => {
    isAsked = true
    await keepSecret(session, place, name, value)
  })
  refuse(session.out, isAsked ? await look() : first, 'deployed')
}

/** Builds the task: the standard workflow, with the runbook's limits unless overridden. */
const fieldsOf = (request: RunbookRequest, description: string | undefined): TaskMembers => {
  const workflow = standardRunbookWorkflow({
    agent: request.agent ?? null,
    model: request.model ?? null,
    model_provider: request.model_provider ?? null,
    snapshot: request.snapshot ?? null,
    instruction: request.instruction,
    prompt: request.prompt ?? null,
    vars: request.template_variables ?? {},
    file_paths: [],
  })
  const { cpus: _, memory: __, timeout_sec: ___, network_enabled: ____, ...paths } = workflow.step_configs.run
  const { cpus, memory, timeout_sec, network_enabled, image } = request
  const asked = Object.entries({ cpus, memory, timeout_sec, network_enabled, image })
  const run = { ...paths, ...Object.fromEntries(asked.filter(([, value]) => value !== undefined && value !== null)) }
  const fields = { workflow: { ...workflow, step_configs: { run } }, ...standardRunbookTask, description }
  return new Map(
    Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, JSON.stringify(value)]),
  )
}

type RunOptions = LocalOptions & RemoteOptions & { local?: boolean; remote?: boolean }

/** `jetty runbook run`. */
const registerRunbookRun = (runbook: Command): void => {
  const run = runbook
    .command('run <file>')
    .description('Carry out a runbook with a coding agent in a sandbox, here or on a server, and fetch the results')
    .addOption(new Option('--local', 'on this machine; needs no server').conflicts(['remote', 'collection', 'task']))
    .addOption(new Option('--remote', 'on a server, as a run of a task').conflicts(['sandbox']))
  addRunbookOptions(run)
    .option('-f, --file <path>', 'input file; a zip archive is unpacked below /app/assets', collect)
    .option('--secret <NAME>', 'secret for this run only, read from the environment variable NAME', collect)
  addLimitOptions(run)
    .option('--results <folder>', 'folder for the results; an existing folder is moved aside', './results')
    .option('--force', 'overwrite files in the results folder instead')
    .option('--events', 'print each event as a line of JSON as it happens, and the outcome as the last line')
    .addOption(sandboxOption())
    .option(
      '-c, --collection <collection>',
      'with --remote: collection to run in (default: the home collection of your key)',
    )
    .option('-t, --task <task>', 'with --remote: the task of the run; created if it does not exist')
    .option('--detach', 'with --remote: start the run and exit')
    .addHelpText(
      'after',
      `
It runs on this machine where nothing else is said; --remote, --collection or --task mean a server. The exit code is 0
only where it succeeded: 1 where it failed, 2 where something is missing, which is asked for on a terminal.

On this machine secrets come from the environment, then from .env in this folder and beside the file.

Examples:
  jetty runbook run RUNBOOK.md --agent scripted            no key, no server, no network: runs its sh and bash blocks
  jetty runbook run RUNBOOK.md --local -p subject="Flood walls" -f minutes.pdf
  ANTHROPIC_API_KEY=… jetty runbook run RUNBOOK.md --results out --timeout 600
  jetty runbook run RUNBOOK.md --remote -c acme -t report -p subject="Flood walls"
  jetty runbook run RUNBOOK.md --events | jq -r 'select(.type == "tool_call").name'`,
    )
    .action(withSession<RunOptions, [string]>((session, [file], options) => runRunbook(session, file, options)))
}

const runRunbook = async (session: Session, file: string, options: RunOptions): Promise<void> => {
  const isRemote = options.remote || options.collection !== undefined || options.task !== undefined
  if (isRemote) {
    if (options.sandbox) throw aboutSandbox()
    return (await import('../runbooks/runbook-remotely.ts')).runRemotely(session, file, options)
  }
  if (options.detach) {
    throw new AppError('invalid', '--detach needs --remote: a local run ends with this command')
  }
  return (await import('../runbooks/runbook-locally.ts')).runLocally(session, file, options)
}

const aboutSandbox = (): AppError =>
  new AppError('invalid', '--sandbox is only for local runs; a server uses its own setting JETTY_SANDBOX', {
    hint: 'Leave out --collection and --task, or --sandbox.',
  })

interface CheckOptions extends RunbookOptions {
  local?: boolean
  collection?: string
  file?: string[]
  secret?: string[]
}

/** `jetty runbook check`. */
const registerRunbookCheck = (runbook: Command): void => {
  const check = runbook
    .command('check <file>')
    .description('Check everything that a runbook needs; starts nothing')
    .addOption(new Option('--local', 'on this machine; needs no server').conflicts('collection'))
    .option('-c, --collection <collection>', 'on a server, with the keys and secrets of this collection')
  addRunbookOptions(check)
    .option('-f, --file <path>', 'input file of the run', collect)
    .option('--secret <NAME>', 'secret of the run, read from the environment variable NAME', collect)
    .addOption(sandboxOption())
    .addHelpText(
      'after',
      `
It looks on this machine where no collection is named. It ends with 1 where something keeps it from being begun.

Examples:
  jetty runbook check RUNBOOK.md
  jetty runbook check RUNBOOK.md --collection acme -p subject="Flood walls"
  jetty runbook check RUNBOOK.md --json | jq -r '.checks[] | select(.state == "failed").fix'`,
    )
    .action(withSession<CheckOptions, [string]>((session, [file], options) => checkRunbook(session, file, options)))
}

const checkRunbook = async (session: Session, file: string, options: CheckOptions): Promise<void> => {
  const found =
    options.collection === undefined
      ? await checkHere(file, options)
      : await (await import('../runbooks/runbook-remotely.ts')).checkRemotely(
          session,
          file,
          options.collection,
          options,
        )
  session.out.answer(found, () => `${preflightText(found.checks)}\n${verdict(file, found)}`)
  if (!found.ready) process.exitCode = exitCodes.failed
}

const verdict = (file: string, { ready, checks }: RunbookPreflight): string => {
  const failed = checks.filter(({ state }) => state === 'failed').length
  return ready
    ? pc.green(`${safe(file)} is ready to run`)
    : pc.red(`${safe(file)} is not ready to run: ${failed} to fix`)
}

const checkHere = async (file: string, options: CheckOptions): Promise<RunbookPreflight> => {
  const { openHere, placeHere, requireFile } = await import('../runbooks/runbook-locally.ts')
  const { readLocalVariables } = await import('../runbooks/local-variables.ts')
  const inputs = (options.file ?? []).map(requireFile)
  const request = await runbookRequest(readInputText(file), options, inputs)
  const runbooks = await openHere(options.sandbox)
  try {
    return withCommands(
      await runbooks.preflight(request, placeHere(readLocalVariables(file), options.secret ?? [], inputs)),
    )
  } finally {
    await runbooks.close()
  }
}

/** `jetty runbook …`. */
export const registerRunbook = (program: Command): void => {
  const runbook = program
    .command('runbook')
    .description('Write, check, run and deploy runbooks: markdown files with instructions for a coding agent')
  runbook
    .command('validate <files...>')
    .description('Find faults in runbooks; needs no server')
    .option('--strict', 'count missing parts of the format as errors')
    .addHelpText(
      'after',
      `
A runbook with an error cannot run. A warning points at a missing part of the format or something worth checking.
- is stdin. The exit code is 1 if a file has errors.

Examples:
  jetty runbook validate RUNBOOK.md
  jetty runbook validate --strict runbooks/*/RUNBOOK.md
  jetty runbook validate RUNBOOK.md --json | jq .[].errors`,
    )
    .action(withSession<{ strict?: boolean }, [string[]]>(validate))
  runbook
    .command('init [file]')
    .description('Write a new runbook from a template (default: RUNBOOK.md)')
    .addOption(
      new Option('--evaluation <kind>', 'how the results are evaluated')
        .choices(evaluationKinds)
        .default('programmatic'),
    )
    .option('--title <title>', 'title of the runbook', 'My Report')
    .option('--force', 'overwrite an existing file')
    .addHelpText(
      'after',
      '\nExamples:\n  jetty runbook init\n  jetty runbook init review.md --evaluation rubric --title "Code Review"',
    )
    .action(withSession<InitOptions, [string | undefined]>(init))
  registerRunbookCheck(runbook)
  registerRunbookRun(runbook)
  registerRunbookDeploy(runbook)
}

const validate = async ({ out }: Session, [files]: [string[]], { strict }: { strict?: boolean }): Promise<void> => {
  const { validateRunbook } = await import('../../sandbox/runbooks/format/validate.ts')
  const verdicts = files.map((file) => ({ file, ...validateRunbook(readInputText(file), strict ? 'strict' : 'loose') }))
  out.answer(verdicts, () => verdicts.map((verdict) => verdictText(verdict.file, verdict)).join('\n\n'))
  if (verdicts.some(({ valid }) => !valid)) process.exitCode = exitCodes.failed
}

const verdictText = (file: string, { valid, level, errors, warnings }: RunbookVerdict): string => {
  const mark = valid ? pc.green('✓') : pc.red('✗')
  const reached = level === null ? 'cannot run until its errors are fixed' : level
  const counts = [counted(errors, 'error'), counted(warnings, 'warning')].filter((text) => text !== '').join(', ')
  const line = (finding: RunbookFinding, paint: (text: string) => string) =>
    `  ${pc.dim(`${finding.line}:${finding.column}`.padEnd(7))} ${paint(finding.rule.padEnd(3))} ${safe(finding.message)}\n` +
    `  ${' '.repeat(11)} ${pc.dim('→')} ${safe(finding.fix)}`
  return [
    `${mark} ${safe(file)}: ${reached}${counts === '' ? '' : ` (${counts})`}`,
    ...errors.map((finding) => line(finding, pc.red)),
    ...warnings.map((finding) => line(finding, pc.yellow)),
  ].join('\n')
}

const counted = ({ length }: RunbookFinding[], what: string): string =>
  length === 0 ? '' : `${length} ${what}${length === 1 ? '' : 's'}`

interface InitOptions {
  evaluation: EvaluationKind
  title: string
  force?: boolean
}

const init = async (
  { out }: Session,
  [file = 'RUNBOOK.md']: [string | undefined],
  { evaluation, title, force }: InitOptions,
): Promise<void> => {
  if (existsSync(file) && !force) {
    throw new AppError('conflict', `${file} already exists`, {
      hint: 'Name another file, or overwrite it with --force.',
    })
  }
  const { runbookTemplate } = await import('../../sandbox/runbooks/format/templates.ts')
  writeFileSync(file, runbookTemplate(title.replace(/\s+/g, ' ').trim(), evaluation))
  out.answer({ file, evaluation }, () => `${pc.green('✓')} ${safe(file)} written`)
  out.note(`Next: edit it, then check it with: jetty runbook validate ${file} --strict`)
}
