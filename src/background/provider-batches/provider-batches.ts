import { randomUUID } from 'node:crypto'
import { isDatabaseUnavailable, messageOf } from '../../lib/errors.ts'
import { now, pause } from '../../lib/time.ts'
import type { BatchAccount } from '../../model/gateway/collected-call.ts'
import {
  batchedCallSeal,
  type CallGroup,
  formBatch,
  postponeGroup,
  readyGroup,
  releaseCalls,
  removeOldCalls,
  withdrawOfEnded,
} from '../../store/calls/batched-calls.ts'
import { makeSpentToday } from '../../store/calls/budget.ts'
import {
  claimBatch,
  hasReservations,
  isBatchWorkDue,
  providerBatchSeal,
  removeOldBatches,
} from '../../store/calls/provider-batches.ts'
import { makeSettingsReader } from '../../store/collections/collections.ts'
import type { Database } from '../../store/database/database.ts'
import { lookAfter, type ProviderBatchesDeps } from './look-after.ts'

/** Sends collected calls through the batch interfaces of their providers. */
interface ProviderBatches {
  start(): void
  /** Stops; what is being sent is cut off, and found again by the next process. */
  stop(): Promise<void>
}

const longestNapMs = 60_000
/** Batches that one process looks after at once. */
const atOnce = 4

/** How much of the day's budget of a collection is left; null: it has none. */
const makeBudgetLeft = (database: Database) => {
  const settingsOf = makeSettingsReader(database)
  const spentToday = makeSpentToday(database)
  return async (collectionId: number): Promise<{ usd: number | null; tokens: number | null }> => {
    const { budget } = await settingsOf(collectionId)
    if (!budget) return { usd: null, tokens: null }
    const spent = await spentToday(collectionId)
    const left = (of: number | null | undefined, used: number) => (typeof of === 'number' ? of - used : null)
    return { usd: left(budget.usd_per_day, spent.usd), tokens: left(budget.tokens_per_day, spent.tokens) }
  }
}

export const makeProviderBatches = (deps: ProviderBatchesDeps): ProviderBatches => {
  const { database, models, sealer, limits, log } = deps
  const budgetLeft = makeBudgetLeft(database)
  const holder = randomUUID()
  const stopping = new AbortController()
  let nap = new AbortController()
  let working: Promise<void> | undefined

  const release = async (of: Parameters<typeof releaseCalls>[1], reason: string): Promise<void> => {
    while (await database.transaction((queries) => releaseCalls(queries, of, reason)));
  }

  /** Makes batches of what has been collected. The reservation is written with the batch, before anything is sent. */
  const collect = async (): Promise<void> => {
    while (await withdrawOfEnded(database));
    await release('overdue', 'no batch was sent within max_wait_sec')
    for (;;) {
      const found = await readyGroup(database)
      if (!found || stopping.signal.aborted) return
      const { sealed_request: sealed, id: callId, ...group } = found
      const { account } = JSON.parse(sealer.open(sealed, batchedCallSeal(callId))) as { account: BatchAccount }
      await collectGroup(group, account)
    }
  }

  const collectGroup = async (group: CallGroup, account: BatchAccount): Promise<void> => {
    const client = models.batches({ account, model: group.model }, stopping.signal)
    if (!client) return release({ group }, `${group.provider} has no batch interface any more`)
    const id = randomUUID()
    const bounds = {
      requests: Math.min(limits.requests, client.most.requests),
      bytes: Math.min(limits.bytes, client.most.bytes),
      ...(await budgetLeft(group.collection_id)),
    }
    const calls = await formBatch(database, group, bounds, {
      id,
      sealedAccount: sealer.seal(JSON.stringify(account), providerBatchSeal(id)),
    })
    if (calls > 0) return void log.info({ batch: id, provider: group.provider, calls }, 'calls were put into a batch')
    // What is reserved may turn out to cost less. With nothing reserved the steps hear from the budget itself.
    if (await hasReservations(database, group.collection_id)) await postponeGroup(database, group, limits.pollSeconds)
    else await release({ group }, 'the budget does not admit a batch')
  }

  const lookAfterAll = async (): Promise<void> => {
    const lane = async () => {
      while (!stopping.signal.aborted) {
        const batch = await claimBatch(database, { holder, seconds: holdSeconds })
        if (!batch) return
        await lookAfter({ ...deps, holder, holdSeconds, stopping: stopping.signal, release }, batch)
      }
    }
    await Promise.all(Array.from({ length: atOnce }, lane))
  }

  let removedAt = Number.NEGATIVE_INFINITY
  /** Once a minute. */
  const removeOld = async (): Promise<void> => {
    if (performance.now() - removedAt < longestNapMs) return
    removedAt = performance.now()
    while (!stopping.signal.aborted && (await removeOldCalls(database)));
    await removeOldBatches(database)
  }

  const work = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      nap = new AbortController()
      try {
        await collect()
        await lookAfterAll()
        await removeOld()
      } catch (err) {
        log[isDatabaseUnavailable(err) ? 'debug' : 'error']({ err }, `provider batches wait: ${messageOf(err)}`)
      }
      if (!stopping.signal.aborted) await pause(longestNapMs, nap.signal)
    }
  }

  return {
    start() {
      if (working) return
      working = work()
      deps.lookFor({ condition: isBatchWorkDue, now: () => new Date(now()), onSeen: () => nap.abort() })
    },
    async stop() {
      stopping.abort()
      nap.abort()
      await working
    },
  }
}

/** For so long nobody else looks after a batch when its process dies. A living process extends the hold as it works. */
const holdSeconds = 15
