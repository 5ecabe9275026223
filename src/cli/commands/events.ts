import type { Command } from 'commander'
import type { ShownEvent, ShownEventWait } from '../../model/events/event.ts'
import type { EventHook } from '../../model/events/event-hook.ts'
import { amount, assembled, collect, parseAssignment, parseChoice, positive, readJson } from '../input/inputs.ts'
import { type Session, withSession } from '../session.ts'
import { fields, moment, table } from '../show/output.ts'

interface SendOptions {
  param?: string[]
  payload?: string
  id?: string
  keepFor?: number
}

interface ListOptions {
  state?: string
  limit: number
}

interface HookOptions {
  scheme: string
  secret: string
  keyPath: string
}

const schemes: readonly EventHook['scheme'][] = ['github', 'slack', 'standard-webhooks', 'stripe']
const states: readonly ShownEvent['state'][] = ['kept', 'delivered', 'refused', 'expired']
const mostListed = 100

/** `jetty events …`. */
export const registerEvents = (program: Command): void => {
  const events = program.command('events').description('Send events to runs that wait for them, and list both')
  events
    .command('send <collection> <event> <key>')
    .description('Send an event to the run that waits for it; it is kept while none does')
    .option('-p, --param <name=value>', 'member of the payload, as for jetty run', collect)
    .option('--payload <path>', 'JSON file with the payload; - reads stdin')
    .option('--id <id>', 'id of the event: the same one is delivered once; default: a hash of the payload')
    .option('--keep-for <seconds>', 'how long it is kept while no run waits for it', amount)
    .addHelpText(
      'after',
      `
The event goes to the step that has waited longest for its name and key.

Examples:
  jetty events send acme payment.received order-4711 -p amount=25
  jetty events send acme payment.received order-4711 --payload payment.json --id evt_1f2e3d`,
    )
    .action(withSession<SendOptions, [string, string, string]>(send))
  events
    .command('hook <collection> <event>')
    .description('Print the URL at which a service delivers its webhooks as events')
    .requiredOption('--scheme <scheme>', `how the service signs: ${schemes.join(', ')}`, parseChoice(schemes).once)
    .requiredOption('--secret <variable>', 'variable of the collection that holds the signing secret')
    .requiredOption('--key-path <path>', 'where the payload has the correlation key')
    .addHelpText(
      'after',
      `
Nothing is stored. Change or remove the variable to turn the URL off.

Examples:
  jetty events hook acme payment.received --scheme stripe --secret STRIPE_SECRET --key-path data.object.metadata.order`,
    )
    .action(withSession<HookOptions, [string, string]>(hook))
  events
    .command('waiting <collection>')
    .description('List the steps that wait for an event, the longest wait first')
    .addHelpText('after', '\nExamples:\n  jetty events waiting acme')
    .action(withSession<object, [string]>(waiting))
  events
    .command('ls <collection>')
    .alias('list')
    .description('List received events, newest first: kept ones, and receipts of at least a day')
    .option('--state <state>', `only events in this state: ${states.join(', ')}`, parseChoice(states).once)
    .option('--limit <n>', 'how many', positive, mostListed)
    .addHelpText('after', '\nExamples:\n  jetty events ls acme --state kept')
    .action(withSession<ListOptions, [string]>(list))
  events
    .command('discard <collection> <number>')
    .description('Discard a kept event')
    .addHelpText('after', '\nExamples:\n  jetty events discard acme 42')
    .action(withSession<object, [string, string]>(discard))
}

const send = async (
  { client, out }: Session,
  [collection, event, key]: [string, string, string],
  { param = [], payload, id, keepFor }: SendOptions,
): Promise<void> => {
  const whole = payload === undefined ? undefined : readJson(payload)
  const members = assembled(param.map(parseAssignment), (whole ?? {}) as Record<string, unknown>)
  const isObject = whole === undefined || (typeof whole === 'object' && whole !== null && !Array.isArray(whole))
  const body = isObject ? { ...(whole ?? {}), ...members } : whole
  const sent = await client.sendEvent({
    params: { collection },
    body: {
      event,
      key,
      payload: body,
      ...(id === undefined ? {} : { id }),
      ...(keepFor === undefined ? {} : { keep_for_sec: keepFor }),
    },
  })
  const { taken_by: by } = sent
  out.answer(sent, () =>
    fields([
      ['event', sent.event],
      ['key', sent.key],
      ['id', sent.id],
      ['state', sent.duplicate ? `${sent.state} (sent before)` : sent.state],
      ...(by ? ([['run', `${collection}/${by.task}/${by.trajectory_id}`]] as [string, string][]) : []),
      ...(by ? ([['step', by.step]] as [string, string][]) : []),
      ...(sent.state === 'kept' ? ([['until', moment(sent.expires_at)]] as [string, string][]) : []),
    ]),
  )
}

const hook = async (
  { client, out }: Session,
  [collection, event]: [string, string],
  { scheme, secret, keyPath }: HookOptions,
): Promise<void> => {
  const body = { scheme: scheme as EventHook['scheme'], secret, event, key_path: keyPath }
  const made = await client.createEventHook({ params: { collection }, body })
  out.answer(made, () => made.url)
}

const waiting = async ({ client, out }: Session, [collection]: [string]): Promise<void> => {
  const found: ShownEventWait[] = []
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await client.listEventWaits({ params: { collection }, query: cursor ? { cursor } : {} })
    found.push(...page.waits)
    cursor = page.next_cursor
  }
  out.answer(found, () =>
    found.length === 0
      ? ''
      : table(
          ['RUN', 'STEP', 'EVENT', 'KEY', 'SINCE', 'EXPIRES'],
          found.map((one) => [
            `${collection}/${one.task}/${one.trajectory_id}`,
            ...[one.step, one.event, one.key, moment(one.waits_since), moment(one.expires_at)],
          ]),
        ),
  )
  if (found.length === 0) out.note(`No run in ${collection} waits for an event.`)
}

const list = async ({ client, out }: Session, [collection]: [string], { state, limit }: ListOptions): Promise<void> => {
  const query = { limit, ...(state ? { state: state as ShownEvent['state'] } : {}) }
  const { events, has_more } = await client.listEvents({ params: { collection }, query })
  out.answer(events, () =>
    events.length === 0
      ? ''
      : table(
          ['NUMBER', 'EVENT', 'KEY', 'ID', 'STATE', 'RECEIVED', 'BY', 'RUN'],
          events.map((one) => [
            ...[String(one.number), one.event, one.key, one.id, one.state, moment(one.received_at), one.sent_by],
            one.taken_by ? `${one.taken_by.task}/${one.taken_by.trajectory_id}` : '',
          ]),
        ),
  )
  if (events.length === 0) out.note(`${collection} has no such events.`)
  if (has_more) out.note('Older events are left out; --limit shows more.')
}

const discard = async ({ client, out }: Session, [collection, number]: [string, string]): Promise<void> => {
  const answer = await client.discardEvent({ params: { collection, number } })
  out.answer(answer, () => `Event ${number} is discarded.`)
}
