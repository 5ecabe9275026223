import { createHmac } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { AppError, errorCodes, isDatabaseUnavailable, messageOf, toAppError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { requireAllowedHost } from '../../lib/net/hosts.ts'
import type { Open } from '../../lib/net/open.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { spanIdOf, type TraceSampler, traceBelow, traceHeaders, traceIdOf } from '../../lib/text/trace-context.ts'
import { pause } from '../../lib/time.ts'
import { readCollectionSettings } from '../../model/collections/collection-settings.ts'
import type { Receiver, SealedWebhook } from '../../model/webhook.ts'
import type { Queries } from '../../store/database/database.ts'
import { findRunByKey, type RunRow } from '../../store/runs/runs.ts'
import { webhookSecretSeal } from '../../store/secrets/sealed-texts.ts'
import {
  claimDeliveries,
  type DeliveryAttempt,
  type DueDelivery,
  dropDelivery,
  findWebhook,
  isAnyDeliveryDue,
  putOffDelivery,
  type RunWebhook,
  settleAttempt,
} from '../../store/webhooks.ts'

/** Request to a receiver. */
interface WebhookRequest {
  headers: Record<string, string>
  body: Buffer
}

/**
 * Builds the request: the run's document, signed with the hex HMAC-SHA256 of `<timestamp>.<raw body>` when there is a
 * secret. Each header has two names, for receivers that know the older one.
 */
const webhookRequest = (
  run: { trajectoryId: string; document: string; trace?: string | undefined },
  secret: string | null,
  nowMs: number,
): WebhookRequest => {
  const body = Buffer.from(run.document)
  const seconds = String(Math.floor(nowMs / 1000))
  const said: Record<string, string> = {
    'trajectory-id': run.trajectoryId,
    ...(secret && {
      timestamp: seconds,
      signature: createHmac('sha256', secret).update(`${seconds}.`).update(body).digest('hex'),
    }),
  }
  const named = (prefix: string) => Object.entries(said).map(([name, value]) => [`${prefix}-${name}`, value])
  return {
    headers: {
      'content-type': 'application/json',
      ...traceHeaders(run.trace),
      ...Object.fromEntries([...named('x-mise'), ...named('x-jetty')]),
    },
    body,
  }
}

/** Result of sending a request once. */
interface Sent {
  statusCode: number | null
  /** Sentence about the failure; null when delivered. */
  error: string | null
  /** Whether a retry is pointless: the address is never allowed. */
  isFinal: boolean
}

/**
 * Sends a request and waits for the answer's status without reading the body. Any 2xx is a delivery; a redirect is
 * none.
 */
const sendWebhook = async (
  open: Open,
  target: { url: string; isSecret: boolean; timeoutSeconds: number; signal: AbortSignal },
  { headers, body }: WebhookRequest,
): Promise<Sent> => {
  try {
    const { timeoutSeconds, signal } = target
    const answer = await open(target.url, { method: 'POST', headers, body, timeoutSeconds, signal })
    answer.close()
    return { statusCode: answer.status, error: complaint(answer.status), isFinal: false }
  } catch (thrown) {
    const { code } = toAppError(thrown)
    // The message contains the address; for a secret one only the kind of failure is reported.
    const error = target.isSecret ? errorCodes[code].meaning : messageOf(thrown)
    return { statusCode: null, error, isFinal: code === 'address_refused' }
  }
}

const complaint = (status: number): string | null => {
  if (status >= 200 && status <= 299) return null
  return status >= 300 && status <= 399
    ? `The receiver answered ${status}; redirects are not followed`
    : `The receiver answered ${status}`
}

interface AttemptDeps {
  database: Queries
  sealer: Pick<Sealer, 'open'>
  open: Open
  /** Current trajectory document of a run. */
  documentOf(run: RunRow): Promise<string>
  /** Address of a page of this server. */
  linkTo(path: string): string
  traceSampler: TraceSampler | undefined
  /** Milliseconds since 1970. */
  clock(): number
  timeoutSeconds: number
}

const unsealed = ({ sealer }: AttemptDeps, { sealed }: RunWebhook, runKey: string): SealedWebhook =>
  sealed === null ? { secret: null, url: null } : JSON.parse(sealer.open(sealed, webhookSecretSeal(runKey)))

/** The hidden parts of a webhook, or why they cannot be read. */
const openSealed = (deps: AttemptDeps, webhook: RunWebhook, runKey: string): SealedWebhook | { problem: string } => {
  try {
    const hidden = unsealed(deps, webhook, runKey)
    const { allowed_hosts: hosts } = readCollectionSettings(webhook.settings)
    requireAllowedHost(new URL(hidden.url ?? webhook.url), hosts ?? undefined)
    return hidden
  } catch (error) {
    return { problem: messageOf(error) }
  }
}

/** A line about a run that has ended, in the form that the incoming webhooks of chats read. */
const textOf = (
  { name, trajectory_id: id, status, error }: Pick<RunRow, 'name' | 'trajectory_id' | 'status' | 'error'>,
  page: string,
): string => JSON.stringify({ text: `${name}/${id} ${status}${error ? `: ${error}` : ''}\n${page}` })

/**
 * Makes one attempt to notify a run's receiver. Rejects only when the run cannot be read, so that nothing was
 * attempted; undefined when the run is gone, or when the schedule, not a person, wants to tell of an end that the
 * receiver does not hear of.
 */
const attemptDelivery = async (
  deps: AttemptDeps,
  runKey: string,
  webhook: RunWebhook,
  { isScheduled, signal }: { isScheduled: boolean; signal: AbortSignal },
): Promise<(DeliveryAttempt & Pick<Sent, 'isFinal'>) | undefined> => {
  const run = await findRunByKey(deps.database, runKey)
  if (!run) return undefined
  const hidden = openSealed(deps, webhook, run.id)
  if (isScheduled && 'secret' in hidden && hidden.statuses?.includes(run.status) === false) return undefined
  const isText = 'secret' in hidden && hidden.format === 'text'
  const document = isText ? textOf(run, deps.linkTo(`${run.name}/${run.trajectory_id}`)) : await deps.documentOf(run)
  const startedMs = deps.clock()
  const begun = performance.now()
  const sent = await send(deps, { run, document, webhook, hidden, startedMs, signal })
  const { statusCode, error, isFinal } = sent
  return { delivered: error === null, statusCode, error, isFinal, startedMs, durationMs: performance.now() - begun }
}

interface Delivery {
  run: RunRow
  document: string
  webhook: RunWebhook
  hidden: ReturnType<typeof openSealed>
  startedMs: number
  signal: AbortSignal
}

const send = async (deps: AttemptDeps, given: Delivery): Promise<Sent> => {
  const { run, document, webhook, hidden, startedMs, signal } = given
  if ('problem' in hidden) return { statusCode: null, error: hidden.problem, isFinal: true }
  const trace = traceBelow(webhook.trace_context, deps.traceSampler, () => ({
    traceId: traceIdOf(run.id), // only roots have webhooks
    spanId: spanIdOf(run.id),
  }))
  const request = webhookRequest({ trajectoryId: run.trajectory_id, document, trace }, hidden.secret, startedMs)
  const url = hidden.url ?? webhook.url
  return sendWebhook(
    deps.open,
    { url, isSecret: hidden.url !== null, timeoutSeconds: deps.timeoutSeconds, signal },
    request,
  )
}

/** A delivery that no run asked for: it shows whether a receiver answers, and how it is signed. */
interface TestDelivery {
  collection: { id: number; name: string; payer: number }
  receiver: Receiver
  /** Whether the address is a secret of the collection, which no error repeats. */
  isSecret: boolean
  /** Hosts that the collection may reach; undefined: all. */
  allowedHosts: readonly string[] | undefined
}

interface TestedDelivery {
  statusCode: number | null
  /** Why it was not delivered; null: it was. */
  error: string | null
  durationMs: number
  /** Headers as they were sent. */
  headers: Record<string, string>
  /** Body as it was sent. */
  body: string
}

const trajectoryId = 'test'

/** What a run that ended as the receiver hears of would send, as far as receivers look at it first. */
const testOf = (
  { collection, receiver: { statuses, format } }: TestDelivery,
  linkTo: AttemptDeps['linkTo'],
  nowMs: number,
): string => {
  const status = statuses?.[0] ?? 'completed'
  const test = { trajectory_id: trajectoryId, name: `${collection.name}/test`, status }
  if (format === 'text') {
    const error = 'This is a test of the receiver, and no run'
    return textOf({ ...test, status: status as RunRow['status'], error }, linkTo(collection.name))
  }
  return JSON.stringify({ ...test, is_test: true, created: new Date(nowMs).toISOString(), steps: {} })
}

/** Sends what says that it is a test, in the form and with the signature that a run would give it. */
const deliverTest = async (
  { open, clock, timeoutSeconds, linkTo }: Pick<AttemptDeps, 'open' | 'clock' | 'timeoutSeconds' | 'linkTo'>,
  test: TestDelivery,
  signal: AbortSignal,
): Promise<TestedDelivery> => {
  const { receiver, isSecret, allowedHosts } = test
  const nowMs = clock()
  const document = testOf(test, linkTo, nowMs)
  const request = webhookRequest({ trajectoryId, document }, receiver.secret, nowMs)
  const begun = performance.now()
  const sent = { headers: request.headers, body: document }
  try {
    requireAllowedHost(new URL(receiver.url), allowedHosts)
  } catch (error) {
    const why = isSecret ? 'The receiver is not among the allowed hosts of the collection' : messageOf(error)
    return { statusCode: null, error: why, durationMs: 0, ...sent }
  }
  const target = { url: receiver.url, isSecret, timeoutSeconds, signal }
  const { statusCode, error } = await sendWebhook(open, target, request)
  return { statusCode, error, durationMs: Math.round(performance.now() - begun), ...sent }
}

const second = 1_000
const minute = 60 * second
const hour = 60 * minute

/** Delay of each attempt after the previous one; none before the first. */
const waits = [0, 5 * second, 30 * second, 2 * minute, 10 * minute, hour, 6 * hour, 24 * hour]

/** Time of the next attempt after that many failures, in milliseconds; null: never. */
const retryAt = (failures: number, nowMs: number): number | null => {
  const wait = waits[failures]
  return wait === undefined ? null : nowMs + wait
}

interface WebhookSenderDeps extends AttemptDeps {
  /** Maximum concurrent deliveries of this process. */
  concurrency: number
  /** Maximum size of a delivered trajectory: the inputs and outputs of its steps. */
  mostBytes: number
  /** Adds a query to each heartbeat, so that an idle server makes no other. */
  lookFor(look: { condition(at: string): string; now(): Date; onSeen(): void }): void
  log: Logger
}

/** Notifies receivers of ended runs. */
export interface Webhooks {
  /** Starts looking for due deliveries. */
  start(): void
  /** Makes an attempt now, outside the schedule; resolves when its result is stored. */
  redeliver(run: { id: string }, payer: number): Promise<void>
  /** Sends a test to an address, outside the queue; nothing of it is stored. */
  sendTest(test: TestDelivery): Promise<TestedDelivery>
  /** Starts no more attempts and gives those under way `seconds`; an interrupted one is repeated later. */
  stop(seconds: number): Promise<void>
}

const longestNapMs = 60_000
/** How long after its timeout an attempt counts as lost together with its process. */
const lostAfterMs = 20_000
/** Larger documents are in memory one at a time. */
const largeBytes = 4 * 1024 * 1024
const putOffMs = 1_000

/** Makes the function that attempts a delivery and stores the result. `due` is its entry in the queue. */
const makeAttempt = (deps: WebhookSenderDeps, cutOff: AbortSignal) => {
  const { database, clock, mostBytes } = deps
  let isLargeUnderWay = false

  const attemptOf = async (runKey: string, webhook: RunWebhook, isScheduled: boolean) =>
    webhook.bytes > mostBytes
      ? tooLarge(webhook.bytes, mostBytes, clock())
      : attemptDelivery(deps, runKey, webhook, { isScheduled, signal: cutOff })

  return async (runKey: string, due?: DueDelivery): Promise<void> => {
    const webhook = await findWebhook(database, runKey)
    const isLarge = webhook !== undefined && webhook.bytes > largeBytes
    if (isLarge && isLargeUnderWay) {
      if (due) return void (await putOffDelivery(database, due, clock() + putOffMs))
      throw busy()
    }
    isLargeUnderWay ||= isLarge
    try {
      const made = webhook && (await attemptOf(runKey, webhook, due !== undefined))
      if (cutOff.aborted) return // result unknown: it is repeated
      if (!made) return void (await dropDelivery(database, runKey))
      const retryMs = made.isFinal ? null : retryAt((due?.tries ?? 0) + 1, clock())
      await settleAttempt(database, { runKey, due, attempt: made, retryMs })
    } finally {
      if (isLarge) isLargeUnderWay = false
    }
  }
}

/** Deliveries of this process that are under way, limited in total and for each payer. */
interface DeliverySlots {
  /** Number of deliveries that may begin now. */
  readonly free: number
  /** Maximum concurrent deliveries of one payer. */
  readonly ofPayer: number
  /** Payers with as many deliveries as they may have. */
  fullPayers(): number[]
  hasRoom(payer: number): boolean
  /** Counts a delivery until its promise settles. */
  track(work: Promise<void>, payer: number): Promise<void>
  /** Resolves when all deliveries have settled. */
  settled(): Promise<void>
}

/** `onFree` is called whenever a delivery has settled. */
const makeDeliverySlots = (concurrency: number, onFree: () => void): DeliverySlots => {
  const underWay = new Map<Promise<void>, number>()
  const ofPayer = Math.max(1, Math.floor(concurrency / 4))
  const fullPayers = (): number[] => {
    const counts = new Map<number, number>()
    for (const id of underWay.values()) counts.set(id, (counts.get(id) ?? 0) + 1)
    return [...counts].filter(([, count]) => count >= ofPayer).map(([id]) => id)
  }
  return {
    get free() {
      return Math.max(0, concurrency - underWay.size)
    },
    ofPayer,
    fullPayers,
    hasRoom: (payer) => underWay.size < concurrency && !fullPayers().includes(payer),
    track(work, payer) {
      const settled = work.finally(() => {
        underWay.delete(settled)
        onFree()
      })
      underWay.set(settled, payer)
      return settled
    },
    async settled() {
      await Promise.allSettled(underWay.keys())
    },
  }
}

export const makeWebhooks = (deps: WebhookSenderDeps): Webhooks => {
  const { database, clock, concurrency, timeoutSeconds, log } = deps
  const stopping = new AbortController()
  const cutOff = new AbortController()
  setMaxListeners(concurrency + 1, cutOff.signal)
  /** Sleep between two passes: ends when something is due, or a slot is free again. */
  let nap = new AbortController()
  const slots = makeDeliverySlots(concurrency, () => nap.abort())
  const attempt = makeAttempt(deps, cutOff.signal)
  let looking: Promise<void> | undefined

  /** Claimed deliveries are claimed again later. */
  const complain = (err: unknown): void =>
    log[isDatabaseUnavailable(err) ? 'debug' : 'error']({ err }, 'webhooks put off')

  /** Begins the deliveries that are due. Returns false if there are none, or no slot is free. */
  const deliverDue = async (): Promise<boolean> => {
    const { free: limit, ofPayer: each } = slots
    if (limit === 0) return false
    const nowMs = clock()
    const lostMs = nowMs + timeoutSeconds * 1000 + lostAfterMs
    const found = await claimDeliveries(database, { nowMs, lostMs, limit, each, full: slots.fullPayers() })
    for (const due of found) slots.track(attempt(due.run_id, due), due.payer).catch(complain)
    return found.length > 0
  }

  const deliverUntilStopped = async () => {
    while (!stopping.signal.aborted) {
      nap = new AbortController()
      const hasFound = await deliverDue().catch(complain)
      if (!hasFound && !stopping.signal.aborted) await pause(longestNapMs, nap.signal)
    }
  }

  return {
    start() {
      if (looking) return
      looking = deliverUntilStopped()
      deps.lookFor({ condition: isAnyDeliveryDue, now: () => new Date(clock()), onSeen: () => nap.abort() })
    },
    async redeliver({ id }, payer) {
      if (!slots.hasRoom(payer)) throw busy()
      await slots.track(attempt(id), payer)
    },
    async sendTest(test) {
      if (!slots.hasRoom(test.collection.payer)) throw busy()
      const sending = deliverTest(deps, test, cutOff.signal)
      const sent = sending.then(() => undefined)
      await slots.track(sent, test.collection.payer)
      return sending
    },
    async stop(seconds) {
      stopping.abort()
      nap.abort()
      await looking
      const done = new AbortController()
      const ended = slots.settled().finally(() => done.abort())
      if (await pause(seconds * 1000, done.signal)) cutOff.abort()
      await ended
    },
  }
}

/** Final failure, since a retry would fail too; the delivery log says why. */
const tooLarge = (bytes: number, mostBytes: number, startedMs: number) => ({
  delivered: false,
  statusCode: null,
  error:
    `The trajectory (${byteSize(bytes)}) is larger than the limit of webhooks (${byteSize(mostBytes)}): fetch it, or raise ` +
    'JETTY_WEBHOOK_BYTES and deliver it again',
  isFinal: true,
  startedMs,
  durationMs: 0,
})

const busy = (): AppError =>
  new AppError('busy', 'The maximum number of webhook deliveries is in progress', {
    hint: 'Repeat the request in a moment.',
    retryAfterSeconds: 1,
  })
