import { type Engine, RunExists } from '../../engine/engine.ts'
import { backoffMs } from '../../lib/backoff.ts'
import { makeBell } from '../../lib/bell.ts'
import { AppError, isDatabaseUnavailable, messageOf, toAppError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { timestamp } from '../../lib/time.ts'
import { readCollectionSettings } from '../../model/collections/collection-settings.ts'
import { collectionWebhook } from '../../store/collections/collection-webhook.ts'
import type { Database } from '../../store/database/database.ts'
import {
  type ClaimedDelivery,
  claimHookDeliveries,
  type DeliveryOutcome,
  findStartable,
  isAnyHookDeliveryDue,
  type StartableDelivery,
  settleDelivery,
} from '../../store/hooks.ts'
import { firedRuns } from '../../store/routines.ts'
import { decide, type Expressions } from './decide.ts'

interface HookDeps {
  database: Database
  engine: Pick<Engine, 'start' | 'lookFor'>
  sealer: Pick<Sealer, 'open'>
  expressions: Pick<Expressions, 'evaluate'>
  /** Maximum bytes of the parameters of a run. */
  initParamsBytes: number
  /** Milliseconds since 1970. */
  clock(): number
  log: Logger
}

/** Key of the run of a delivery: whichever process starts it, the run exists once. */
const runKeyOf = ({ number, round }: ClaimedDelivery): string => `hook/${number}/${round}`

/** Pauses between the attempts of a delivery: a server that is short of something has it a moment later. */
const pauses = { firstMs: 1_000, longestMs: 300_000, jitter: 0.2 }
/** After so many attempts, about three hours, a delivery fails. */
const mostTries = 40

const failed = (reason: string): DeliveryOutcome => ({ state: 'failed', reason })

/** Starts the run of a delivery that the filter lets through. */
const startRun = async (
  { engine, database, sealer, initParamsBytes }: HookDeps,
  delivery: StartableDelivery,
  {
    task,
    initParams,
    number,
    key,
  }: {
    task: { id: number; name: string; definition: string }
    initParams: Record<string, unknown>
    number: number
    key: string
  },
): Promise<DeliveryOutcome> => {
  const bytes = Buffer.byteLength(JSON.stringify(initParams))
  if (bytes > initParamsBytes) {
    const most = byteSize(initParamsBytes)
    return failed(`The mapping leads to ${byteSize(bytes)} of init_params; at most ${most} are allowed`)
  }
  const { collection_id: id, hook, event, delivery_id } = delivery
  const settings = readCollectionSettings(delivery.settings)
  const webhook = await collectionWebhook(database, sealer, { id, settings })
  const { collection_name: name, payer, environment_id: environmentId } = delivery
  try {
    await engine.start({
      collection: { id, name, payer, environmentId, settings },
      task,
      initParams,
      secrets: {},
      files: [],
      author: `hook:${hook}`,
      params: { hook: { name: hook, delivery: number, id: delivery_id, event } },
      ...(webhook && { webhook }),
      trace: delivery.trace_context ?? undefined,
      key,
      unservable: 'record',
    })
  } catch (error) {
    if (!(error instanceof RunExists)) throw error
  }
  return { state: 'started', runKey: key }
}

/** What becomes of a delivery now. Throws what the start of its run, or its expressions, throw. */
const outcomeOf = async (deps: HookDeps, claimed: ClaimedDelivery): Promise<DeliveryOutcome | undefined> => {
  const { database, expressions } = deps
  const { number } = claimed
  const key = runKeyOf(claimed)
  // Another process may have died right after the start, and the hook may have another filter by now.
  if (claimed.taken_over && (await firedRuns(database, [key])).length > 0) return { state: 'started', runKey: key }
  const delivery = await findStartable(database, number)
  if (!delivery) return undefined
  const { disabled, task_id, task_name, definition, collection_id: collectionId, payer } = delivery
  if (disabled) return { state: 'disabled', reason: 'The hook is disabled' }
  if (task_id === null || definition === null) {
    return { state: 'task_missing', reason: `The collection has no task '${task_name}' any more` }
  }
  const { payload, event, delivery_id: id, sender, received_at: receivedAt } = delivery
  const input = { payload, event, id, sender, receivedAt: timestamp(receivedAt) }
  const decision = await decide(expressions, { collectionId, payer }, delivery, input)
  if ('problem' in decision) return failed(decision.problem)
  if (!decision.passes) return { state: 'filtered' }
  const { initParams } = decision
  const task = { id: task_id, name: task_name, definition }
  return startRun(deps, delivery, { task, initParams, number, key })
}

/** The outcome of an attempt that threw. */
const refusedBy = (deps: HookDeps, error: unknown, { number, tries }: ClaimedDelivery): DeliveryOutcome => {
  const { code, retryable, retryAfterSeconds } = toAppError(error)
  const reason = error instanceof AppError ? messageOf(error) : 'An error of the server; its log says which'
  if (code === 'paused') return { state: 'paused', reason }
  if (code === 'internal') deps.log.error({ err: error, delivery: number }, 'a delivery of a hook could not be handled')
  const mayRetry = retryable || code === 'internal'
  if (!mayRetry || tries + 1 >= mostTries) return failed(reason)
  return { state: 'waiting', reason, dueMs: deps.clock() + backoffMs(tries + 1, pauses, retryAfterSeconds) }
}

const carryOut = async (deps: HookDeps, claimed: ClaimedDelivery): Promise<void> => {
  let outcome: DeliveryOutcome | undefined
  try {
    outcome = await outcomeOf(deps, claimed)
  } catch (error) {
    if (isDatabaseUnavailable(error)) throw error // the claim expires, and it is tried again
    outcome = refusedBy(deps, error, claimed)
  }
  if (outcome) await settleDelivery(deps.database, claimed, outcome)
}

/** Deliveries that one process handles at once, of all and of one payer. */
const [atOnce, ofPayer] = [16, 8]

export interface Hooks {
  /** Looks for due deliveries now, without waiting for a heartbeat. */
  wake(): void
  /** Starts on no further delivery; resolves when those under way have ended. */
  stop(): Promise<void>
}

/** Filters and maps what hooks have received, and starts its runs, whenever a heartbeat reports a due delivery. */
export const keepStarting = (deps: HookDeps): Hooks => {
  const { database, engine, clock, log } = deps
  const stopping = new AbortController()
  const underWay = new Map<Promise<void>, number>()
  const bell = makeBell()
  let mayBeMore = false
  let working: Promise<void> | undefined

  const complain = (err: unknown): void =>
    log[isDatabaseUnavailable(err) ? 'debug' : 'error']({ err }, 'deliveries of hooks were put off')
  const look = () => {
    mayBeMore = true
    bell.ring()
  }
  const fullPayers = (): number[] => {
    const counts = new Map<number, number>()
    for (const payer of underWay.values()) counts.set(payer, (counts.get(payer) ?? 0) + 1)
    return [...counts].filter(([, count]) => count >= ofPayer).map(([payer]) => payer)
  }
  /** Begins with due deliveries, as many as there is room for. */
  const claimDue = async (): Promise<void> => {
    const limit = atOnce - underWay.size
    if (limit === 0 || stopping.signal.aborted) return
    const at = new Date(clock())
    for (const one of await claimHookDeliveries(database, { at, limit, each: ofPayer, full: fullPayers() })) {
      const work = carryOut(deps, one)
        .catch(complain) // it is claimed again when its claim has expired
        .finally(() => {
          underWay.delete(work)
          look()
        })
      underWay.set(work, one.payer)
    }
  }
  const startAll = async () => {
    while (!stopping.signal.aborted) {
      mayBeMore = false
      bell.hush()
      await claimDue()
      if (underWay.size === 0 && !mayBeMore) return
      await bell.heard()
    }
  }
  const wake = () => {
    if (stopping.signal.aborted) return
    look()
    working ??= startAll()
      .catch(complain)
      .finally(() => {
        working = undefined
      })
  }

  engine.lookFor({ condition: isAnyHookDeliveryDue, now: () => new Date(clock()), onSeen: wake })
  return {
    wake,
    async stop() {
      stopping.abort()
      bell.ring()
      await working
      await Promise.all(underWay.keys())
    },
  }
}
