import type { Command } from 'commander'
import { AppError } from '../../lib/errors.ts'
import type { DeliveryState, Hook, HookDelivery, HookSender } from '../../model/hook.ts'
import { confirm } from '../input/ask.ts'
import { amount, parseChoice, positive, readInputText, readJson } from '../input/inputs.ts'
import { type HookPlace, hookText, parseHook, parseTask } from '../input/places.ts'
import { type Session, withSession } from '../session.ts'
import { fields, moment, table } from '../show/output.ts'
import { secretsOf } from './run.ts'

const senders: readonly HookSender[] = ['github', 'stripe', 'slack', 'linear', 'generic', 'event']
const states: readonly DeliveryState[] = [
  ...(['waiting', 'started', 'filtered', 'failed', 'disabled', 'task_missing', 'paused'] as const),
]
const unstarted = ['filtered', 'failed', 'disabled', 'task_missing', 'paused'] as const
type Unstarted = (typeof unstarted)[number]

const one = '<collection/hook>'

interface ChangeOptions {
  filter?: string
  mapping?: string
  secretEnv?: string
  signatureHeader?: string
  deliveryHeader?: string
}

interface CreateOptions extends ChangeOptions {
  from: string
  name?: string
  event?: string
  disabled?: boolean
}

interface UpdateOptions extends Omit<ChangeOptions, 'filter' | 'mapping'> {
  filter?: string | boolean
  mapping?: string | boolean
  task?: string
  keepFormer?: number
  disable?: boolean
  enable?: boolean
}

/** Adds the options that `create` and `update` share. */
const addFields = (command: Command): Command =>
  command
    .option('--filter <expression>', 'JSONata: whether a delivery starts a run; @path reads a file')
    .option('--mapping <expression>', 'JSONata: the init_params of the run; @path reads a file')
    .option('--secret-env <NAME>', 'signing secret, taken from the environment variable NAME')
    .option('--signature-header <name>', 'with generic: header that has the HMAC-SHA256 of the body')
    .option('--delivery-header <name>', 'with --signature-header: header that has the id of a delivery')

/** `jetty hooks …`. */
export const registerHooks = (program: Command): void => {
  const hooks = program.command('hooks').description('Run tasks for webhooks of other services, and for events')
  addFields(
    hooks.command('create <collection/task>').description('Print a URL at which a service starts runs of a task'),
  )
    .requiredOption('--from <sender>', `who sends: ${senders.join(', ')}`, parseChoice(senders).once)
    .option('--name <name>', 'name of the hook (default: <task>-<sender>)')
    .option('--event <name>', 'with --from event: the name of the events')
    .option('--disabled', 'only keep deliveries; start them later with redeliver')
    .addHelpText(
      'after',
      `
Filter and mapping see {"payload", "event", "id", "sender", "received_at"}.

Examples:
  jetty hooks create acme/deploy --from github --filter 'event = "push"' --mapping '{ "commit": payload.after }'
  STRIPE_SECRET=whsec_… jetty hooks create acme/invoice --from stripe --secret-env STRIPE_SECRET
  jetty hooks create acme/ship --from event --event order.paid --mapping '{ "order": payload.number }'`,
    )
    .action(withSession<CreateOptions, [string]>(create))
  hooks
    .command('ls <collection[/task]>')
    .description('List the hooks of a collection, or of one task')
    .addHelpText('after', '\nExamples:\n  jetty hooks ls acme\n  jetty hooks ls acme/deploy --json')
    .action(withSession<object, [string]>(list))
  hooks
    .command(`get ${one}`)
    .description('Show a hook with its URL')
    .addHelpText('after', '\nExamples:\n  jetty hooks get acme/deploy-github')
    .action(withSession<object, [string]>(show))
  addFields(hooks.command(`update ${one}`).description('Change the given fields of a hook'))
    .option('--task <name>', 'run another task of the collection')
    .option('--no-filter', 'let every delivery through')
    .option('--no-mapping', 'pass payload and event on as they are')
    .option(
      '--keep-former <seconds>',
      'with --secret-env: how long the former secret holds, too (default: a day)',
      amount,
    )
    .option('--disable', 'only keep deliveries')
    .option('--enable', 'start runs again')
    .addHelpText(
      'after',
      `
Examples:
  jetty hooks update acme/deploy-github --filter @filter.jsonata
  NEW_SECRET=… jetty hooks update acme/invoice-stripe --secret-env NEW_SECRET --keep-former 3600
  jetty hooks update acme/deploy-github --disable`,
    )
    .action(withSession<UpdateOptions, [string]>(update))
  hooks
    .command(`deliveries ${one}`)
    .description('List what a hook has received and what became of it, newest first')
    .option('--state <state>', `only deliveries in this state: ${states.join(', ')}`, parseChoice(states).once)
    .option('-n, --limit <n>', 'maximum number to list, up to 500', positive, 20)
    .addHelpText('after', '\nExamples:\n  jetty hooks deliveries acme/deploy-github --state failed')
    .action(withSession<{ state?: string; limit: number }, [string]>(deliveries))
  hooks
    .command(`redeliver ${one} [number]`)
    .description('Deliver one delivery again, or all in a state')
    .option('--state <state>', `instead of a number: ${unstarted.join(', ')}`, parseChoice(unstarted).once)
    .addHelpText(
      'after',
      '\nExamples:\n  jetty hooks redeliver acme/deploy-github 42\n  jetty hooks redeliver acme/deploy-github --state failed',
    )
    .action(withSession<{ state?: string }, [string, string | undefined]>(redeliver))
  hooks
    .command(`test ${one} [payload]`)
    .description('Show what filter and mapping make of a payload, without starting anything')
    .option('--delivery <number>', 'take the payload of this delivery', positive)
    .option('--event <name>', 'what the sender would call the event')
    .option('--filter <expression>', 'try this filter instead; @path reads a file')
    .option('--mapping <expression>', 'try this mapping instead; @path reads a file')
    .addHelpText(
      'after',
      `
The payload is a JSON file; - reads stdin.

Examples:
  jetty hooks test acme/deploy-github push.json --event push
  jetty hooks test acme/deploy-github --delivery 42 --mapping '{ "commit": payload.after }'`,
    )
    .action(withSession<TestOptions, [string, string | undefined]>(test))
  hooks
    .command(`rm ${one}`)
    .description('Delete a hook with its deliveries; its runs stay')
    .option('-y, --yes', 'do not ask for confirmation')
    .addHelpText('after', '\nExamples:\n  jetty hooks rm acme/deploy-github --yes')
    .action(withSession<{ yes?: boolean }, [string]>(remove))
}

/** An expression from an option: as it is, or what the file behind `@` has. */
const expression = (text: string): string => (text.startsWith('@') ? readInputText(text.slice(1)) : text)

/** Converts the options of `create` and `update` to fields of the API. */
const fieldsOf = ({ filter, mapping, secretEnv, signatureHeader, deliveryHeader }: ChangeOptions) => {
  const secret = secretEnv === undefined ? undefined : secretsOf([secretEnv], '--secret-env')[secretEnv]
  return {
    ...(filter !== undefined && { filter: expression(filter) }),
    ...(mapping !== undefined && { mapping: expression(mapping) }),
    ...(secret !== undefined && { secret }),
    ...(signatureHeader !== undefined && { signature_header: signatureHeader }),
    ...(deliveryHeader !== undefined && { delivery_header: deliveryHeader }),
  }
}

const secretText = ({ sender, has_secret, former_secret_until: until }: Hook): string | null => {
  if (sender === 'event') return null
  if (!has_secret) return 'none yet: every request is refused'
  return until === null ? 'set' : `set; the former one holds until ${moment(until)}`
}

const overview = (hook: Hook): string =>
  fields([
    ['hook', `${hook.collection}/${hook.name}`],
    ['runs', `${hook.collection}/${hook.task}${hook.task_exists ? '' : ' (deleted)'}`],
    ['from', hook.sender === 'event' ? `events named ${hook.event}` : hook.sender],
    ...(hook.url === null ? [] : ([['url', hook.url]] as [string, string][])),
    ['secret', secretText(hook) ?? '-'],
    ...(hook.signature_header ? ([['signature in', hook.signature_header]] as [string, string][]) : []),
    ...(hook.delivery_header ? ([['id in', hook.delivery_header]] as [string, string][]) : []),
    ['filter', hook.filter ?? '-'],
    ['mapping', hook.mapping ?? '-'],
    ...(hook.disabled ? ([['disabled', 'deliveries are only kept']] as [string, string][]) : []),
    ...(hook.refused > 0
      ? ([['refused', `${hook.refused}, last ${moment(hook.last_refused_at)}: ${hook.last_refusal}`]] as [
          string,
          string,
        ][])
      : []),
  ])

const create = async ({ client, out }: Session, [place]: [string], options: CreateOptions): Promise<void> => {
  const { collection, task } = parseTask(place)
  const { from, name, event, disabled } = options
  const body = {
    ...{ task, sender: from as HookSender },
    ...fieldsOf(options),
    ...(name !== undefined && { name }),
    ...(event !== undefined && { event }),
    ...(disabled && { disabled }),
  }
  const made = await client.createHook({ params: { collection }, body })
  out.answer(made, () => `${overview(made)}${made.secret === null ? '' : `\nSecret (shown once): ${made.secret}`}`)
  if (made.has_secret || made.sender === 'event') return
  out.note(
    `Enter the URL at ${from}, then set the secret that it shows: SECRET=… jetty hooks update ${hookText(made)} --secret-env SECRET`,
  )
}

const list = async ({ client, out }: Session, [place]: [string]): Promise<void> => {
  const ofTask = place.includes('/') ? parseTask(place) : undefined
  const collection = ofTask?.collection ?? place
  const found: Hook[] = []
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const query = { limit: 500, ...(ofTask && { task: ofTask.task }), ...(cursor && { cursor }) }
    const page = await client.listHooks({ params: { collection }, query })
    found.push(...page.hooks)
    cursor = page.next_cursor
  }
  out.answer(found, () =>
    found.length === 0
      ? ''
      : table(
          ['HOOK', 'TASK', 'FROM', 'STATE', 'URL'],
          found.map((hook) => [
            ...[hookText(hook), hook.task, hook.event ? `event ${hook.event}` : hook.sender],
            ...[hook.disabled ? 'disabled' : hook.task_exists ? 'on' : 'task deleted', hook.url ?? '-'],
          ]),
        ),
  )
  if (found.length === 0) {
    out.note(
      `No hooks in ${place}. Make one with: jetty hooks create ${ofTask ? place : `${place}/<task>`} --from github`,
    )
  }
}

const show = async ({ client, out }: Session, [place]: [string]): Promise<void> => {
  const hook = await client.getHook({ params: parseHook(place) })
  out.answer(hook, () => overview(hook))
}

const update = async ({ client, out }: Session, [place]: [string], options: UpdateOptions): Promise<void> => {
  const { filter, mapping, task, keepFormer, disable, enable, ...rest } = options
  if (disable && enable) throw new AppError('invalid', '--disable and --enable contradict each other')
  const expressions = {
    ...(typeof filter === 'string' && { filter }),
    ...(typeof mapping === 'string' && { mapping }),
  }
  const body = {
    ...fieldsOf({ ...rest, ...expressions }),
    ...(filter === false && { filter: null }),
    ...(mapping === false && { mapping: null }),
    ...(task !== undefined && { task }),
    ...(keepFormer !== undefined && { keep_former_sec: keepFormer }),
    ...((disable || enable) && { disabled: disable === true }),
  }
  const hook = await client.updateHook({ params: parseHook(place), body })
  out.answer(hook, () => overview(hook))
}

const runText = ({ collection }: HookPlace, { task, trajectory_id: id }: HookDelivery): string =>
  id === null ? '' : `${collection}/${task}/${id}`

const deliveries = async (
  { client, out }: Session,
  [place]: [string],
  { state, limit }: { state?: string; limit: number },
): Promise<void> => {
  const at = parseHook(place)
  const query = { limit, ...(state !== undefined && { state: state as DeliveryState }) }
  const { deliveries: found, has_more } = await client.listHookDeliveries({ params: at, query })
  out.answer(found, () =>
    found.length === 0
      ? ''
      : table(
          ['NUMBER', 'RECEIVED', 'EVENT', 'ID', 'STATE', 'RUN', 'REASON'],
          found.map((delivery) => [
            ...[
              String(delivery.number),
              moment(delivery.received_at),
              delivery.event ?? '',
              delivery.id,
              delivery.state,
            ],
            ...[runText(at, delivery), delivery.reason ?? ''],
          ]),
        ),
  )
  if (found.length === 0) out.note(`${hookText(at)} has no such deliveries.`)
  if (has_more) out.note('Older deliveries are left out; --limit shows more.')
}

const redeliver = async (
  { client, out }: Session,
  [place, number]: [string, string | undefined],
  { state }: { state?: string },
): Promise<void> => {
  const body = {
    ...(number !== undefined && { number: positive(number) }),
    ...(state !== undefined && { state: state as Unstarted }),
  }
  const answer = await client.redeliverHook({ params: parseHook(place), body })
  const { redelivered: count } = answer
  out.answer(answer, () => `${count} ${count === 1 ? 'delivery is' : 'deliveries are'} delivered again`)
}

interface TestOptions extends Pick<ChangeOptions, 'filter' | 'mapping'> {
  delivery?: number
  event?: string
}

const test = async (
  { client, out }: Session,
  [place, path]: [string, string | undefined],
  { delivery, event, ...expressions }: TestOptions,
): Promise<void> => {
  const body = {
    ...(path !== undefined && { payload: readJson(path) }),
    ...(delivery !== undefined && { delivery }),
    ...(event !== undefined && { event }),
    ...fieldsOf(expressions),
  }
  const { passes, init_params, problem } = await client.testHook({ params: parseHook(place), body })
  const answer = { passes, init_params, problem }
  out.answer(answer, () => {
    if (problem !== null) return problem
    return passes ? JSON.stringify(init_params, null, 2) : 'The filter does not let it through'
  })
}

const remove = async ({ client, out }: Session, [place]: [string], { yes }: { yes?: boolean }): Promise<void> => {
  const at = parseHook(place)
  await client.getHook({ params: at }) // fails before the question if the hook does not exist
  await confirm(`This deletes the hook ${hookText(at)} with its deliveries.`, yes)
  const answer = await client.deleteHook({ params: at })
  out.answer(answer, () => `Deleted ${hookText(at)}`)
}
