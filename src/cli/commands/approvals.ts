import type { Command } from 'commander'
import { AppError } from '../../lib/errors.ts'
import type { ShownApproval } from '../../model/runs/approval.ts'
import { findRunPlace, runMeaning } from '../input/find-run.ts'
import { placeText, type RunPlace } from '../input/places.ts'
import { type Session, withSession } from '../session.ts'
import { fields, moment, table } from '../show/output.ts'

interface ApproveOptions {
  reject?: boolean
  comment?: string
}

/** `jetty approve` and `jetty approvals`. */
export const registerApprovals = (program: Command): void => {
  program
    .command('approve <run> [step]')
    .description('Approve or reject a waiting step of a run; the step may be left out if only one waits')
    .option('--reject', 'reject instead of approving')
    .option('-m, --comment <text>', 'reason of the decision; later steps can read it')
    .addHelpText(
      'after',
      `
${runMeaning}

A step is decided once; later attempts get the first decision.

Examples:
  jetty approve acme/letters
  jetty approve acme/letters/1f2e3d4c gate --comment "fine with me"
  jetty approve acme/letters/1f2e3d4c --reject --comment "too long"`,
    )
    .action(withSession<ApproveOptions, [string, string | undefined]>(approve))
  program
    .command('approvals [collection]')
    .description('List steps that wait for a decision, oldest first, of one collection or of all')
    .addHelpText('after', '\nExamples:\n  jetty approvals\n  jetty approvals acme\n  jetty approvals acme --json')
    .action(withSession<object, [string | undefined]>(list))
}

const approve = async (
  session: Session,
  [run, given]: [string, string | undefined],
  options: ApproveOptions,
): Promise<void> => {
  const { client, out } = session
  const place = await findRunPlace(session, run)
  const step = given ?? (await waitingStep(session, place))
  const { comment } = options
  const made = await client.decideApproval({
    params: { ...place, step },
    body: { decision: options.reject ? 'reject' : 'approve', ...(comment === undefined ? {} : { comment }) },
  })
  out.answer(made, () =>
    fields([
      ['run', placeText(place)],
      ['step', made.step],
      ['decision', made.decision],
      ['by', made.decided_by],
      ...(made.comment ? ([['comment', made.comment]] as [string, string][]) : []),
    ]),
  )
}

/** Finds the one step of a run that waits for a decision. */
const waitingStep = async ({ client }: Session, place: RunPlace): Promise<string> => {
  const run = await client.getTrajectory({ params: place })
  const waiting = Object.values(run.steps).filter(
    ({ activity, status }) => activity === 'wait_for_approval' && status === 'running',
  )
  const [only, ...more] = waiting
  if (only && more.length === 0) return only.key
  if (only) {
    throw new AppError('invalid', `${placeText(place)} waits at several steps; name one of them`, {
      hint: `The waiting steps are: ${waiting.map((step) => step.key).join(', ')}`,
    })
  }
  throw new AppError('conflict', `${placeText(place)} does not wait for a decision: it is ${run.status}`, {
    hint: `List the waiting runs with: jetty approvals ${place.collection}`,
  })
}

/** An open approval with the collection of its run. */
type ListedApproval = ShownApproval & { collection: string }

const waitingIn = async ({ client }: Session, collection: string | undefined): Promise<ListedApproval[]> => {
  const waiting: ListedApproval[] = []
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const query = cursor ? { cursor } : {}
    const page =
      collection === undefined
        ? await client.listAllApprovals({ query })
        : await client.listApprovals({ params: { collection }, query })
    waiting.push(...page.approvals.map((one) => ({ collection: collection ?? '', ...one })))
    cursor = page.next_cursor
  }
  return waiting
}

const list = async (session: Session, [collection]: [string | undefined]): Promise<void> => {
  const { out } = session
  const waiting = await waitingIn(session, collection)
  out.answer(waiting, () =>
    waiting.length === 0
      ? ''
      : table(
          ['RUN', 'STEP', 'SINCE', 'EXPIRES', 'FOR', 'MESSAGE'],
          waiting.map((one) => [
            placeText(one),
            one.step,
            moment(one.requested_at),
            moment(one.expires_at),
            one.assignees.join(' '),
            one.message,
          ]),
        ),
  )
  if (waiting.length === 0)
    out.note(`No run${collection === undefined ? '' : ` in ${collection}`} waits for a decision.`)
}
