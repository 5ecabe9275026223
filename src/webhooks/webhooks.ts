import { setMaxListeners } from 'node:events'
import { AppError, isDatabaseUnavailable } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { byteSize } from '../lib/settings/byte-size.ts'
import { pause } from '../lib/time.ts'
import {
  claimDeliveries,
  type DueDelivery,
  dropDelivery,
  findWebhook,
  isAnyDeliveryDue,
  putOffDelivery,
  type RunWebhook,
  settleAttempt,
} from '../store/webhooks.ts'
import { type AttemptDeps, attemptDelivery } from './attempt.ts'
import { retryAt } from './schedule.ts'

export interface WebhooksDeps extends AttemptDeps {
  /** Deliveries under way at once in this process. */
  concurrency: number
  /** Largest trajectory that is sent: what its steps were given and put out. */
  mostBytes: number
  /** Has a question asked with each heartbeat (engine/look.ts), so that an idle server asks for nothing else. */
  lookFor(look: { condition(at: string): string; now(): Date; onSeen(): void }): void
  log: Logger
}

/** Tells receivers that runs have ended. */
export interface Webhooks {
  /** Begins to look for deliveries that are due. */
  start(): void
  /** Attempts a delivery now, beside its schedule; resolves when what came of it is written down. */
  redeliver(run: { id: string; collection_id: number }): Promise<void>
  /** Begins no more of them, gives those under way `seconds`; one that is cut off is made again later. */
  stop(seconds: number): Promise<void>
}

const longestNapMs = 60_000
/** How long after its time an attempt is thought lost, with the process that made it. */
const lostAfterMs = 20_000
/** Documents above this are in memory one at a time. */
const largeBytes = 4 * 1024 * 1024
const putOffMs = 1_000

export const makeWebhooks = (deps: WebhooksDeps): Webhooks => {
  const { database, clock, concurrency, timeoutSeconds, mostBytes, log } = deps
  const stopping = new AbortController()
  const cutOff = new AbortController()
  setMaxListeners(concurrency + 1, cutOff.signal)
  const underWay = new Map<Promise<void>, number>()
  const each = Math.max(1, Math.floor(concurrency / 4))
  let isLargeUnderWay = false
  let looking: Promise<void> | undefined
  /** Between two looks: it ends when something is due, or when there is room again. */
  let nap = new AbortController()

  const attempt = async (runKey: string, due?: DueDelivery): Promise<void> => {
    const webhook = await findWebhook(database, runKey)
    const isLarge = webhook !== undefined && webhook.bytes > largeBytes
    if (isLarge && isLargeUnderWay) {
      if (due) return putOffDelivery(database, due, clock() + putOffMs)
      throw busy()
    }
    isLargeUnderWay ||= isLarge
    try {
      const made = webhook && (await attemptOf(runKey, webhook))
      if (cutOff.signal.aborted) return // nobody knows what came of it: it is made again
      if (!made) return dropDelivery(database, runKey)
      const retryMs = made.isFinal ? null : retryAt((due?.tries ?? 0) + 1, clock())
      await settleAttempt(database, { runKey, due, attempt: made, retryMs })
    } finally {
      if (isLarge) isLargeUnderWay = false
    }
  }

  const attemptOf = async (runKey: string, webhook: RunWebhook) =>
    webhook.bytes > mostBytes
      ? tooLarge(webhook.bytes, mostBytes, clock())
      : attemptDelivery(deps, runKey, webhook, cutOff.signal)

  const track = (work: Promise<void>, collectionId: number): Promise<void> => {
    const settled = work.finally(() => {
      underWay.delete(settled)
      nap.abort()
    })
    underWay.set(settled, collectionId)
    return settled
  }

  /** Collections that have as many deliveries under way as they may. */
  const fullCollections = (): number[] => {
    const counts = new Map<number, number>()
    for (const id of underWay.values()) counts.set(id, (counts.get(id) ?? 0) + 1)
    return [...counts].filter(([, count]) => count >= each).map(([id]) => id)
  }

  /** What was claimed is claimed again later. */
  const complain = (err: unknown): void =>
    log[isDatabaseUnavailable(err) ? 'debug' : 'error']({ err }, 'webhooks put off')

  const look = async (): Promise<boolean> => {
    const limit = concurrency - underWay.size
    if (limit <= 0) return false
    const nowMs = clock()
    const lostMs = nowMs + timeoutSeconds * 1000 + lostAfterMs
    const found = await claimDeliveries(database, { nowMs, lostMs, limit, each, full: fullCollections() })
    for (const due of found) {
      track(attempt(due.runKey, due), due.collectionId).catch(complain)
    }
    return found.length > 0
  }

  const lookOn = async () => {
    while (!stopping.signal.aborted) {
      nap = new AbortController()
      const hasFound = await look().catch(complain)
      if (!hasFound && !stopping.signal.aborted) await pause(longestNapMs, nap.signal)
    }
  }

  return {
    start() {
      if (looking) return
      looking = lookOn()
      deps.lookFor({ condition: isAnyDeliveryDue, now: () => new Date(clock()), onSeen: () => nap.abort() })
    },
    async redeliver({ id, collection_id: collectionId }) {
      if (underWay.size >= concurrency || fullCollections().includes(collectionId)) throw busy()
      await track(attempt(id), collectionId)
    },
    async stop(seconds) {
      stopping.abort()
      nap.abort()
      await looking
      const done = new AbortController()
      const ended = Promise.allSettled(underWay.keys()).finally(() => done.abort())
      if (await pause(seconds * 1000, done.signal)) cutOff.abort()
      await ended
    },
  }
}

/** It would be so the next time: the receiver is told by nobody, and the log of deliveries says why. */
const tooLarge = (bytes: number, mostBytes: number, startedMs: number) => ({
  delivered: false,
  statusCode: null,
  error:
    `The trajectory is larger (${byteSize(bytes)}) than what is sent (${byteSize(mostBytes)}): fetch it, or raise ` +
    'JETTY_WEBHOOK_BYTES and deliver it again',
  isFinal: true,
  startedMs,
  durationMs: 0,
})

const busy = (): AppError =>
  new AppError('busy', 'As many deliveries are under way as may be', {
    hint: 'Send it again in a moment.',
    retryAfterSeconds: 1,
  })
