import type { Command } from 'commander'
import type { Trial } from '../../model/collections/trial.ts'
import { type Session, withSession } from '../session.ts'
import { fields, moment } from '../show/output.ts'

/** `jetty trial …`. */
export const registerTrial = (program: Command): void => {
  const trial = program
    .command('trial')
    .description("Try Jetty on the server's model keys before you have a key of your own")
  trial
    .command('show <collection>')
    .description('Show whether a trial is active, and what is left of it')
    .addHelpText('after', '\nExamples:\n  jetty trial show demo\n  jetty trial show demo --json')
    .action(withSession<object, [string]>(show))
  trial
    .command('activate <collection>')
    .description('Start the one trial of a collection; `jetty run` uses it while the collection has no key of its own')
    .addHelpText('after', '\nExamples:\n  jetty trial activate demo')
    .action(withSession<object, [string]>(activate))
}

const tell = ({ out }: Session, trial: Trial): void =>
  out.answer(trial, () =>
    fields([
      ['status', trial.status],
      ['runs', `${trial.runs_used} of ${trial.runs_limit} used, ${trial.runs_remaining} remaining`],
      ['minutes', `${trial.minutes_used} of ${trial.minutes_limit} used, ${trial.minutes_remaining} remaining`],
      ['activated', moment(trial.activated_at)],
      ['expires', moment(trial.expires_at)],
      ['lends', trial.providers.join(', ') || null],
    ]),
  )

const show = async (session: Session, [collection]: [string]): Promise<void> => {
  const trial = await session.client.getTrial({ params: { collection } })
  tell(session, trial)
  if (trial.status === 'inactive') session.out.note(`Start the trial with: jetty trial activate ${collection}`)
}

const activate = async (session: Session, [collection]: [string]): Promise<void> =>
  tell(session, await session.client.activateTrial({ params: { collection } }))
