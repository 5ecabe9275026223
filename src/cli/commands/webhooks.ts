import type { Command } from 'commander'
import pc from 'picocolors'
import { AppError } from '../../lib/errors.ts'
import { findRunPlace, runMeaning } from '../input/find-run.ts'
import { placeText } from '../input/places.ts'
import { type Session, withSession } from '../session.ts'
import { moment, paintStatus, table } from '../show/output.ts'
import { secretsOf } from './run.ts'

/** `jetty webhooks …`. */
export const registerWebhooks = (program: Command): void => {
  const webhooks = program
    .command('webhooks')
    .description('Show the deliveries of webhooks, deliver them again, and test receivers')
  webhooks
    .command('ls <collection>')
    .description('List the delivery attempts of all webhooks of a collection, newest first')
    .option('--failed', 'only attempts that failed')
    .addHelpText('after', '\nExamples:\n  jetty webhooks ls acme --failed')
    .action(withSession<{ failed?: boolean }, [string]>(listOf))
  webhooks
    .command('test <collection> [url]')
    .description('Send a test to a receiver, without a URL to that of the collection, and show what it answered')
    .option('--secret-env <NAME>', 'secret that signs it, taken from the environment variable NAME')
    .option('--text', 'send a line of text, as chats read it (default: what the receiver of the collection gets)')
    .addHelpText(
      'after',
      `
Examples:
  jetty webhooks test acme
  HOOK_SECRET=… jetty webhooks test acme https://example.com/done --secret-env HOOK_SECRET`,
    )
    .action(withSession<TestOptions, [string, string?]>(sendTest))
  webhooks
    .command('deliveries <run>')
    .description('List the delivery attempts of the webhook of a run')
    .addHelpText('after', `\n${runMeaning}\n\nExamples:\n  jetty webhooks deliveries acme/report/1f2e3d4c`)
    .action(withSession<object, [string]>(deliveries))
  webhooks
    .command('redeliver <run>')
    .description('Deliver the webhook of a run again, with the current trajectory')
    .addHelpText('after', `\n${runMeaning}\n\nExamples:\n  jetty webhooks redeliver acme/report/1f2e3d4c`)
    .action(withSession<object, [string]>(redeliver))
}

const mostListed = 100

const listOf = async (session: Session, [collection]: [string], { failed }: { failed?: boolean }): Promise<void> => {
  const { client, out } = session
  const query = { limit: mostListed, status: failed ? ('failed' as const) : ('all' as const) }
  const found = await client.listCollectionDeliveries({ params: { collection }, query })
  out.answer(found, () =>
    table(
      ['RUN', 'N', 'TIME', 'STATUS', 'ANSWER', 'ERROR'],
      found.deliveries.map((one) => [
        `${collection}/${one.task}/${one.trajectory_id}`,
        one.n,
        moment(one.created),
        one.status,
        one.status_code,
        one.error ?? '',
      ]),
      (text, column) => (column === 3 ? paintDelivery(text) : text),
    ),
  )
  if (found.has_more) out.note(`Older attempts are left out; --json has the cursor for jetty api.`)
}

interface TestOptions {
  secretEnv?: string
  text?: boolean
}

const sendTest = async (
  session: Session,
  [collection, url]: [string, string?],
  { secretEnv, text }: TestOptions,
): Promise<void> => {
  const secret = secretEnv === undefined ? null : secretsOf([secretEnv], '--secret-env')[secretEnv]
  const made = await session.client.testWebhook({
    params: { collection },
    body: { webhook_url: url ?? null, webhook_secret: secret ?? null, format: text ? 'text' : null },
  })
  const answer = made.status === 'delivered' ? `Delivered: the receiver answered ${made.status_code}` : made.error
  session.out.answer(made, () => `${answer} (${made.duration_ms} ms)`)
  if (made.status !== 'delivered') process.exitCode = 1
}

type Deliveries = Awaited<ReturnType<Session['client']['listDeliveries']>>

const stateTexts: Record<Deliveries['state'], string> = {
  none: 'The run has no webhook.',
  waiting: 'The run has not ended yet; its webhook is delivered then.',
  skipped: 'Not sent: the receiver of the collection hears of other ends only. Send it with: jetty webhooks redeliver',
  pending: 'A delivery is in progress or starts in a moment.',
  delivered: 'Delivered.',
  failed: 'All attempts failed. Deliver it again with: jetty webhooks redeliver',
}

const stateText = ({ state, next_attempt_at: next }: Deliveries): string =>
  state === 'pending' && next ? `The next attempt is at ${moment(next)}.` : stateTexts[state]

const attemptTable = (rows: Deliveries['deliveries']): string =>
  table(
    ['N', 'TIME', 'STATUS', 'ANSWER', 'TOOK', 'BY HAND', 'ERROR'],
    rows.map((one) => [
      one.n,
      moment(one.created),
      one.status,
      one.status_code,
      `${one.duration_ms} ms`,
      one.by_hand ? 'yes' : 'no',
      one.error ?? '',
    ]),
    (text, column) => (column === 2 ? paintDelivery(text) : text),
  )

const paintDelivery = (text: string): string => (text.trim() === 'delivered' ? pc.green(text) : paintStatus(text))

const deliveries = async (session: Session, [given]: [string]): Promise<void> => {
  const { client, out } = session
  const found = await client.listDeliveries({ params: await findRunPlace(session, given) })
  out.answer(found, () => (found.deliveries.length === 0 ? '' : attemptTable(found.deliveries)))
  out.note(stateText(found))
}

const redeliver = async (session: Session, [given]: [string]): Promise<void> => {
  const { client, out } = session
  const place = await findRunPlace(session, given)
  const before = await client.listDeliveries({ params: place })
  const last = before.deliveries.at(-1)
  if (!last)
    throw new AppError('conflict', `The webhook of ${placeText(place)} was not delivered yet: ${stateText(before)}`)
  const after = await client.redeliver({ params: { ...place, n: String(last.n) } })
  const made = after.deliveries.at(-1)
  out.answer(after, () => (made ? attemptTable([made]) : ''))
  if (made?.status !== 'delivered') process.exitCode = 1
}
