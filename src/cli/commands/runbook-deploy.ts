import type { Command } from 'commander'
import pc from 'picocolors'
import { AppError } from '../../lib/errors.ts'
import type { RunbookPreflight, RunbookRequest } from '../../model/runbooks/runbook-request.ts'
import { inside } from '../../model/runbooks/sandbox.ts'
import { standardRunbookTask, standardRunbookWorkflow } from '../../model/runbooks/standard-runbook.ts'
import { askSecret } from '../input/ask.ts'
import { collect, readInputText } from '../input/inputs.ts'
import { parseTask, placeText, type TaskPlace } from '../input/places.ts'
import type { TaskMembers } from '../input/task-fields.ts'
import { askMissing, refuse } from '../runbooks/ask-missing.ts'
import { addLimitOptions, addRunbookOptions, type RunbookOptions, runbookRequest } from '../runbooks/runbook-options.ts'
import { lookRemotely } from '../runbooks/runbook-remotely.ts'
import { type Session, withSession } from '../session.ts'
import { deployTask, tellDeployed } from './deploy.ts'

interface DeployOptions extends RunbookOptions {
  setSecret?: string[]
  description?: string
}

/** `jetty runbook deploy`. */
export const registerRunbookDeploy = (runbook: Command): void => {
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
        act(session, file, parseTask(place), options),
      ),
    )
}

const act = async (session: Session, file: string, place: TaskPlace, options: DeployOptions): Promise<void> => {
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
