import type { Command } from 'commander'
import pc from 'picocolors'
import { AppError } from '../../lib/errors.ts'
import type { Divergence } from '../../model/runs/error-record.ts'
import { exitCodes } from '../exit.ts'
import { findRunPlace, runMeaning } from '../input/find-run.ts'
import { assembled, collect, parseAssignment } from '../input/inputs.ts'
import { placeText, type RunPlace } from '../input/places.ts'
import { refusing } from '../refusing.ts'
import { type Session, withSession } from '../session.ts'
import { followRun } from '../show/follow-run.ts'
import { safe } from '../show/output.ts'
import { paintDiff } from '../show/text-diff.ts'
import { secretsOf, showStarted, showToItsEnd } from './run.ts'

interface RerunOptions {
  from?: string
  param?: string[]
  secret?: string[]
  at?: string
  current?: boolean
  wait?: boolean
  follow?: boolean
}

const atMeaning = 'use this version of the task: 12, ~-1, a tag or a content hash'

/** The member that says which workflow is executed. */
const versionOf = ({ at, current }: { at?: string; current?: boolean }): { version?: string } => {
  if (at !== undefined && current) {
    throw new AppError('invalid', '--at and --current exclude one another', { hint: 'Give one of them.' })
  }
  return at !== undefined ? { version: at } : current ? { version: 'current' } : {}
}

/** `jetty rerun`. */
export const registerRerun = (program: Command): void => {
  program
    .command('rerun <run>')
    .description('Run a run again, from any of its steps')
    .option('--from <step>', 'first step to execute; earlier steps keep their results')
    .option('-p, --param <name=value>', 'new value of a parameter, as in jetty run', collect)
    .option('--secret <NAME>', 'secret for this run only, read from the environment variable NAME', collect)
    .option('--current', 'use the current workflow of the task instead of the executed one')
    .option('--at <version>', atMeaning)
    .option('-w, --wait', 'wait until the run has ended, and print the outputs of its last step')
    .option('--follow', 'wait, and show the log of the steps')
    .addHelpText(
      'after',
      `
${runMeaning}

Examples:
  jetty rerun acme/letters/1f2e3d4c --wait
  jetty rerun acme/letters --from draft -p tone=kind --follow
  jetty rerun acme/letters/1f2e3d4c --from draft --current --wait --json
  jetty rerun acme/letters/1f2e3d4c --at production`,
    )
    .action(withSession<RerunOptions, [string]>(rerun))
}

const rerun = async (session: Session, [run]: [string], options: RerunOptions): Promise<void> => {
  const { client } = session
  const place = await findRunPlace(session, run)
  const started = await client.rerunTrajectory({
    params: place,
    query: refusing,
    body: {
      init_params: await otherParams(session, place, options.param ?? []),
      ...(options.from === undefined ? {} : { from_step: options.from }),
      ...(options.secret ? { secret_params: secretsOf(options.secret) } : {}),
      ...versionOf(options),
    },
  })
  const at = { ...place, trajectory_id: started.trajectory_id }
  if (options.wait || options.follow) return showToItsEnd(session, at, options.follow === true)
  showStarted(session, at, started)
}

/** Parameters of `-p`; a nested assignment changes the recorded run's value. */
const otherParams = async (
  { client }: Pick<Session, 'client'>,
  place: RunPlace,
  given: string[],
): Promise<Record<string, unknown>> => {
  const assignments = given.map(parseAssignment)
  if (assignments.length === 0) return {}
  return assembled(assignments, (await client.getTrajectory({ params: place })).init_params)
}

interface ReplayOptions {
  param?: string[]
  at?: string
  current?: boolean
}

/** `jetty replay`. */
export const registerReplay = (program: Command): void => {
  program
    .command('replay <run>')
    .description(
      'Replay a run from its recording, without calling models or the network, and show the first difference',
    )
    .option('-p, --param <name=value>', 'new value of a parameter, as in jetty run', collect)
    .option('--current', 'use the current workflow of the task instead of the executed one')
    .option('--at <version>', atMeaning)
    .addHelpText(
      'after',
      `
${runMeaning}

Results of models, judges, images and the network come from the recording: a replay costs nothing and needs no key.
The exit code is 0 if the replay matches the recording, and 1 if it differs.

Examples:
  jetty replay acme/letters/1f2e3d4c
  jetty replay acme/letters --current --json`,
    )
    .action(withSession<ReplayOptions, [string]>(replay))
}

const replay = async (session: Session, [run]: [string], options: ReplayOptions): Promise<void> => {
  const { client, out } = session
  const place = await findRunPlace(session, run)
  const [recorded, started] = await Promise.all([
    client.getTrajectory({ params: place }),
    client.rerunTrajectory({
      params: place,
      body: {
        mode: 'replay',
        init_params: await otherParams(session, place, options.param ?? []),
        ...versionOf(options),
      },
    }),
  ])
  const at = { ...place, trajectory_id: started.trajectory_id }
  out.note(pc.dim(placeText(at)))
  const { trajectory_id, status, error } = await followRun(session, at)
  const divergence = await divergenceOf(session, at)
  const identical = divergence === null && status === recorded.status
  out.answer({ trajectory_id, of: recorded.trajectory_id, status, error, identical, divergence }, () =>
    identical ? pc.green('identical') : divergence ? divergenceText(divergence) : `${status}: ${safe(error ?? '')}`,
  )
  if (!identical) process.exitCode = exitCodes.failed
}

const divergenceOf = async ({ client }: Session, place: RunPlace): Promise<Divergence | null> => {
  const { attributes } = await client.getTrajectory({ params: place })
  const { replay } = attributes.params as { replay: { divergence: Divergence | null } }
  return replay.divergence
}

const divergenceText = ({ step, message, diff }: Divergence): string =>
  `${pc.red('differs')} first at step ${pc.bold(safe(step))}: ${safe(message)}${diff ? `\n\n${paintDiff(diff)}` : ''}`
