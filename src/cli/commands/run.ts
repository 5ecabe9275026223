import type { Command } from 'commander'
import pc from 'picocolors'
import { AppError } from '../../lib/errors.ts'
import type { Trajectory } from '../../model/runs/trajectory.ts'
import type { Economy } from '../../model/workflows/economy.ts'
import { exitCodes } from '../exit.ts'
import { assembled, collect, economyMeaning, filePart, parseAssignment, parseEconomy } from '../input/inputs.ts'
import { parseTaskAt, placeText, type RunPlace, type TaskPlace } from '../input/places.ts'
import { refusing } from '../refusing.ts'
import { type Session, withSession } from '../session.ts'
import { cliWords } from '../show/cli-words.ts'
import { followRun, lastOutputs } from '../show/follow-run.ts'
import { hanging } from '../show/output.ts'
import { mayUseTrial, trialText } from '../trial.ts'
import { labelsOf } from './labels.ts'

interface RunOptions {
  param?: string[]
  file?: string[]
  secret?: string[]
  label?: string[]
  economy?: Economy
  webhook?: string
  webhookSecretEnv?: string
  wait?: boolean
  follow?: boolean
}

/** `jetty run`. */
export const registerRun = (program: Command): void => {
  program
    .command('run <collection/task[@version]>')
    .description('Start a run of a task, at its newest version or at another')
    .option(
      '-p, --param <name=value>',
      'parameter; valid JSON is sent as JSON, @file reads a file, a.b=1 nests',
      collect,
    )
    .option('-f, --file <path>', 'file to upload; its storage path is added to init_params.file_paths', collect)
    .option('--secret <NAME>', 'secret for this run only, read from the environment variable NAME', collect)
    .option('-l, --label <key[=value]>', 'label that the run starts with; repeat for several', collect)
    .option('--economy <economy>', economyMeaning, parseEconomy)
    .option('--webhook <url>', 'URL that receives the trajectory when the run has ended')
    .option('--webhook-secret-env <NAME>', 'secret that signs the webhook, taken from the environment variable NAME')
    .option('-w, --wait', 'wait until the run has ended, and print the outputs of its last step')
    .option('--follow', 'wait, and show the log of the steps')
    .addHelpText(
      'after',
      `
Examples:
  jetty run demo/hello
  jetty run demo/hello -p text="Good morning" --wait
  jetty run acme/summarize -p document=@report.txt -p options.language=de --follow
  jetty run acme/summarize@production -p document=@report.txt
  jetty run acme/read -f contract.pdf --wait --json
  jetty run acme/summarize -p document=@report.txt --economy batch
  jetty run acme/summarize -p document=@report.txt --label user=u-17 --label team=support
  SLACK_TOKEN=… jetty run acme/notify --secret SLACK_TOKEN
  HOOK_SECRET=… jetty run acme/report --webhook https://example.com/done --webhook-secret-env HOOK_SECRET`,
    )
    .action(withSession<RunOptions, [string]>((session, [place], options) => run(session, parseTaskAt(place), options)))
}

/** The preset parameters of a task, at a version. */
const presetsOf = async (
  { client }: Session,
  place: TaskPlace,
  version: string | undefined,
): Promise<Record<string, unknown>> => {
  const { workflow } =
    version === undefined
      ? await client.getTask({ params: place })
      : (await client.getTaskVersion({ params: { ...place, ref: version } })).data
  return (workflow.init_params ?? {}) as Record<string, unknown>
}

const run = async (
  session: Session,
  { place, version }: ReturnType<typeof parseTaskAt>,
  options: RunOptions,
): Promise<void> => {
  const { client, out } = session
  const assignments = (options.param ?? []).map(parseAssignment)
  const nests = assignments.some(({ keys }) => keys.length > 1)
  const presets = nests ? await presetsOf(session, place, version) : {}
  const body = {
    init_params: assembled(assignments, presets),
    ...(version === undefined ? {} : { version }),
    ...(options.secret ? { secret_params: secretsOf(options.secret) } : {}),
    ...(options.label ? { labels: labelsOf(options.label) } : {}),
    ...(options.economy ? { economy: options.economy } : {}),
    ...(options.webhook === undefined ? {} : { webhook_url: options.webhook }),
    ...webhookSecretOf(options.webhookSecretEnv),
    ...((await mayUseTrial(session, place.collection, options.secret ?? [])) ? { use_trial_keys: true } : {}),
  }
  const files = await Promise.all((options.file ?? []).map((path) => filePart('files', path)))
  const started = await client.runTask({ params: place, query: refusing, body, files })
  const at = { ...place, trajectory_id: started.trajectory_id }
  if (started.trial) out.note(trialText(started.trial))
  if (options.wait || options.follow) return showToItsEnd(session, at, options.follow === true)
  showStarted(session, at, started)
}

/** Prints the answer to a start, and how to watch the run. */
export const showStarted = ({ out }: Session, at: RunPlace, started: unknown): void => {
  out.answer(started, () => placeText(at))
  out.note(pc.dim(`Watch it with: jetty runs watch ${placeText(at)}`))
}

/** Follows a run until it has ended, and prints its outputs. */
export const showToItsEnd = async (session: Session, at: RunPlace, isDetailed: boolean): Promise<void> => {
  session.out.note(pc.dim(placeText(at)))
  showEnd(session, await followRun(session, at, { isDetailed }))
}

/** Names the commands that show a failed step, and continue the run there once the cause is gone. */
const nextCommands = ({ collection, task, trajectory_id, status, steps }: Trajectory): string[] => {
  const step = Object.keys(steps).findLast((name) => steps[name]?.status === 'failed')
  if (status !== 'failed' || step === undefined) return []
  const place = placeText({ collection, task, trajectory_id })
  return [
    `Look at it with:   jetty runs get ${place} --step ${step}`,
    `Run it again with: jetty rerun ${place} --from ${step}`,
  ]
}

/** Prints the outputs. The exit code says whether the run completed. */
export const showEnd = ({ out }: Session, trajectory: Trajectory): void => {
  out.answer(trajectory, () =>
    trajectory.status === 'completed' ? JSON.stringify(lastOutputs(trajectory), null, 2) : '',
  )
  if (trajectory.status === 'completed') return
  if (trajectory.error) out.note(`${pc.red('error:')} ${hanging(cliWords(trajectory.error), 2)}`)
  for (const line of nextCommands(trajectory)) out.note(pc.dim(line))
  process.exitCode = exitCodes.failed
}

const webhookSecretOf = (name: string | undefined): { webhook_secret?: string } => {
  const secret = name === undefined ? undefined : secretsOf([name], '--webhook-secret-env')[name]
  return secret === undefined ? {} : { webhook_secret: secret }
}

/** Reads secrets from the environment: every user of the machine can read arguments. */
export const secretsOf = (names: string[], option = '--secret'): Record<string, string> =>
  Object.fromEntries(
    names.map((name) => {
      const value = process.env[name]
      if (value) return [name, value]
      throw new AppError('invalid', `${option} ${name}: the environment variable ${name} is not set`, {
        hint: name.includes('=')
          ? 'Give only the name. The value is read from the environment, where other users cannot see it.'
          : `Set it first, for example: read -rs ${name} && export ${name}`,
      })
    }),
  )
