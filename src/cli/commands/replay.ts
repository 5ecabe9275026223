import type { Command } from 'commander'
import pc from 'picocolors'
import type { Divergence } from '../../model/runs/error-record.ts'
import { exitCodes } from '../exit.ts'
import { findRunPlace, runMeaning } from '../input/find-run.ts'
import { collect } from '../input/inputs.ts'
import { placeText, type RunPlace } from '../input/places.ts'
import { type Session, withSession } from '../session.ts'
import { followRun } from '../show/follow-run.ts'
import { safe } from '../show/output.ts'
import { paintDiff } from '../show/text-diff.ts'
import { otherParams } from './rerun.ts'

interface ReplayOptions {
  param?: string[]
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
        ...(options.current ? { version: 'current' as const } : {}),
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
