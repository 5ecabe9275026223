import { type Command, Option } from 'commander'
import { AppError } from '../../lib/errors.ts'
import { issueText } from '../../lib/text/issue-text.ts'
import type { RunbookRequest } from '../../model/runbooks/runbook-request.ts'
import { sandboxNames } from '../../model/runbooks/sandbox.ts'
import { amount, collect, parseChoice, parseTextAssignment } from '../input/inputs.ts'

/** Options that override or complete a runbook. */
export interface RunbookOptions {
  param?: string[]
  prompt?: string
  agent?: string
  model?: string
  provider?: string
  snapshot?: string
  image?: string
  timeout?: number
  memory?: string
  cpus?: number
  network?: boolean
  sandbox?: string
}

/** Options shared by `run`, `check` and `deploy`. */
export const addRunbookOptions = (command: Command): Command =>
  command
    .option('-p, --param <name=value>', 'value for {{name}}; @file reads it from a file', collect)
    .option('--agent <agent>', 'coding agent to use (default: the agent in the runbook, else chosen by the model)')
    .option('--model <model>', 'model that the agent uses')
    .option('--provider <provider>', 'provider of the model')
    .option('--snapshot <name>', 'snapshot to run in: a prepared set of installed tools')
    .option('--image <image>', 'container image to run in')

/** Limits of a single run. */
export const addLimitOptions = (command: Command): Command =>
  command
    .option('--prompt <text>', 'extra instructions for the agent')
    .option('--timeout <seconds>', 'time limit of the agent', amount)
    .option('--memory <size>', 'memory limit, such as 4G')
    .option('--cpus <number>', 'processors', amount)
    .option('--no-network', 'no network except the model')

export const sandboxOption = (): Option =>
  new Option('--sandbox <kind>', 'kind of sandbox on this machine (default: JETTY_SANDBOX)').argParser(
    parseChoice(sandboxNames).once,
  )

const given = <Value>(name: string, value: Value | undefined) => (value === undefined ? {} : { [name]: value })

/** Builds the request, for the API and for local runs. */
export const runbookRequest = async (
  instruction: string,
  options: RunbookOptions,
  files: readonly string[] = [],
): Promise<RunbookRequest> => {
  const { runbookRequestSchema } = await import('../../model/runbooks/runbook-request.ts')
  const parsed = runbookRequestSchema.safeParse({
    instruction,
    template_variables: Object.fromEntries((options.param ?? []).map(parseTextAssignment)),
    ...given('prompt', options.prompt),
    ...given('agent', options.agent),
    ...given('model', options.model),
    ...given('model_provider', options.provider),
    ...given('snapshot', options.snapshot),
    ...given('image', options.image),
    ...given('timeout_sec', options.timeout),
    ...given('memory', options.memory),
    ...given('cpus', options.cpus),
    ...(options.network === false ? { network_enabled: false } : {}),
    ...(files.length > 0 ? { files: [...files] } : {}),
  })
  if (parsed.success) return parsed.data
  throw new AppError(
    'invalid',
    parsed.error.issues.map((issue) => `${optionOf(String(issue.path[0]))}: ${issueText(issue)}`).join('\n'),
  )
}

const optionNames: Readonly<Record<string, string>> = {
  instruction: 'The runbook',
  model_provider: '--provider',
  timeout_sec: '--timeout',
}
const optionOf = (field: string): string => optionNames[field] ?? `--${field}`
