import { backoffMs } from '../../lib/backoff.ts'
import { AppError, isDatabaseUnavailable, messageOf } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { now } from '../../lib/time.ts'
import type { BatchAccount } from '../../model/gateway/collected-call.ts'
import type { BatchClient, BatchRequest, ProviderBatch, SentBatch } from '../../providers/batches/batch-api.ts'
import type { Models } from '../../providers/provider.ts'
import {
  batchedCallSeal,
  countWanted,
  type releaseCalls,
  requestsOfBatch,
  type SettledCall,
  settleCalls,
} from '../../store/calls/batched-calls.ts'
import {
  endBatch,
  forgetProviderId,
  holdBatch,
  keepFileId,
  keepProviderId,
  knownBatches,
  noteCancelled,
  noteCreation,
  noteUpload,
  type ProviderBatchRow,
  providerBatchSeal,
  releaseBatch,
} from '../../store/calls/provider-batches.ts'
import type { Database } from '../../store/database/database.ts'

interface BatchLimits {
  /** Most requests, and most bytes of all together, of one batch. */
  requests: number
  bytes: number
  /** Pause between two looks at a batch. */
  pollSeconds: number
}

export interface ProviderBatchesDeps {
  database: Database
  models: Pick<Models, 'batches'>
  sealer: { seal(text: string, boundTo: string): string; open(sealed: string, boundTo: string): string }
  limits: BatchLimits
  /** Adds a query to each heartbeat, so that an idle server makes no other. */
  lookFor(look: { condition(at: string): string; now(): Date; onSeen(): void }): void
  log: Logger
}

interface LookDeps extends ProviderBatchesDeps {
  holder: string
  holdSeconds: number
  stopping: AbortSignal
  release(of: Parameters<typeof releaseCalls>[1], reason: string): Promise<void>
}

/** Another process looks after the batch. */
class Lost extends Error {}

/** The provider cannot have a batch under this id yet, or its answer is on its way: look again before creating another one. */
class Unsure extends Error {}

const waits = { firstMs: 2_000, longestMs: 300_000, jitter: 0.2 }
/** A request whose answer was lost may reach the provider for so long after it was sent. */
const unsureMs = 10_000
/** So long a provider may take to cancel a batch before its calls are sent at once. */
const longestCancelMs = 15 * 60_000
const settledAtOnce = 250
/** A batch that is submitted is worth so many refused looks, over an hour: its key may come back. */
const mostRefusals = 20

/** A batch that this process holds. */
interface Held {
  deps: LookDeps
  batch: ProviderBatchRow
  client: BatchClient
  /** Throws `Lost` when another process has it. To be called right before something that must not happen twice. */
  confirm(): Promise<void>
}

const sure = (isHeld: boolean): void => {
  if (!isHeld) throw new Lost()
}

/** Takes a batch one step further: upload, creation, a look at it, its results. Never throws. */
export const lookAfter = async (deps: LookDeps, batch: ProviderBatchRow): Promise<void> => {
  const { database, holder, holdSeconds, sealer, limits, log } = deps
  const hold = { holder, seconds: holdSeconds }
  const confirm = async () => sure(await holdBatch(database, batch.id, hold))
  const extending = setInterval(
    () => void holdBatch(database, batch.id, hold).catch(() => {}),
    (holdSeconds * 1000) / 3,
  )
  try {
    const account = JSON.parse(sealer.open(batch.sealed_account, providerBatchSeal(batch.id))) as BatchAccount
    const client = deps.models.batches({ account, model: batch.model }, deps.stopping)
    if (!client) return await giveUp(deps, batch, `${batch.provider} has no batch interface any more`)
    const held = { deps, batch, client, confirm }
    const shown = batch.provider_id === null ? await submit(held) : await client.retrieve(batch.provider_id)
    if (shown.isEnded) return await finish(held, shown)
    const counts = { completed: shown.completed, failed: shown.failed }
    const next = await cancelIfOver(held, shown.id)
    if (next === 'over') return await giveUp(deps, batch, 'the provider did not cancel the batch in time', counts)
    await releaseBatch(database, batch.id, holder, { seconds: next, failures: 0, problem: null, counts })
  } catch (error) {
    if (error instanceof Lost || deps.stopping.aborted) return
    if (error instanceof Unsure) {
      const seconds = Math.min(limits.pollSeconds, unsureMs / 1000)
      await putOff(deps, batch, { seconds, failures: batch.failures, problem: null })
      return
    }
    log.warn({ batch: batch.id, err: error }, 'a provider batch is put off')
    await afterFailure(deps, batch, error)
  } finally {
    clearInterval(extending)
  }
}

const putOff = async (
  { database, holder }: LookDeps,
  { id }: ProviderBatchRow,
  next: Parameters<typeof releaseBatch>[3],
): Promise<void> => {
  await releaseBatch(database, id, holder, next).catch(() => {}) // its hold ends soon
}

/** A refusal before anything was created is final: its calls are sent at once. Everything else is tried again. */
const afterFailure = async (deps: LookDeps, batch: ProviderBatchRow, error: unknown): Promise<void> => {
  if (isDatabaseUnavailable(error)) return
  const problem = messageOf(error).slice(0, 500)
  const isRefusal = error instanceof AppError && error.code === 'upstream_failed' && !error.retryable
  const isOver = batch.due_at.getTime() + longestCancelMs <= now()
  try {
    const isFinal = isRefusal && (batch.provider_id === null || batch.failures >= mostRefusals)
    if (isFinal || isOver) return await giveUp(deps, batch, problem)
    const failures = batch.failures + 1
    const wait = backoffMs(failures, waits, error instanceof AppError ? error.retryAfterSeconds : undefined)
    await putOff(deps, batch, { seconds: wait / 1000, failures, problem })
  } catch (err) {
    deps.log.error({ err, batch: batch.id }, 'a provider batch could not be put off')
  }
}

/** Ends a batch without answers: its calls are sent at once. */
const giveUp = async (
  { database, holder, release, log }: LookDeps,
  batch: ProviderBatchRow,
  problem: string,
  counts?: { completed: number; failed: number },
): Promise<void> => {
  log.warn({ batch: batch.id, problem }, 'the calls of a provider batch are sent at once')
  await release({ batch: batch.id }, problem)
  await endBatch(database, batch.id, holder, { problem, ...(counts && { counts }) })
}

/** Reads what the batch sends. The calls belong to it since it was made, so it is the same at every attempt. */
const readRequests = async ({ database, sealer }: LookDeps, batch: ProviderBatchRow): Promise<BatchRequest[]> => {
  const requests: BatchRequest[] = []
  for (let after = ''; ; ) {
    const rows = await requestsOfBatch(database, batch.id, after)
    for (const { id, sealed_request: sealed } of rows) {
      if (sealed === null) continue // withdrawn since
      const { body } = JSON.parse(sealer.open(sealed, batchedCallSeal(id))) as { body: string }
      requests.push({ id, body })
    }
    const last = rows.at(-1)
    if (!last) return requests
    after = last.id
  }
}

/**
 * Uploads the requests and creates the batch. Each attempt is noted before it begins, so that the next process looks for what
 * an earlier one may have left at the provider before it sends anything again.
 */
const submit = async ({ deps, batch, client, confirm }: Held): Promise<ProviderBatch> => {
  const { database, holder, holdSeconds } = deps
  const hold = { holder, seconds: holdSeconds }
  const sent: SentBatch = {
    ...{ id: batch.id, path: batch.path, requests: batch.requests, fileId: batch.file_id },
    createdMs: (batch.creating_at ?? batch.uploading_at)?.getTime() ?? now(),
    others: new Set([...(await knownBatches(database, batch.provider, batch.id)), ...batch.rejected]),
  }
  if (client.upload && sent.fileId === null) {
    let fileId = batch.uploading_at === null ? undefined : await client.findUpload(sent)
    if (fileId === undefined) {
      const requests = await readRequests(deps, batch)
      sure((await noteUpload(database, batch.id, hold)) !== undefined)
      fileId = await client.upload(sent, requests)
    }
    sure(await keepFileId(database, batch.id, holder, fileId))
    sent.fileId = fileId
  }
  const created = batch.creating_at === null ? undefined : await client.find(sent)
  if (!created && batch.creating_at && now() - batch.creating_at.getTime() < unsureMs) throw new Unsure()
  if (created) {
    sure(await keepProviderId(database, batch.id, holder, created.id))
    return created
  }
  const requests = client.upload ? [] : await readRequests(deps, batch)
  sure((await noteCreation(database, batch.id, hold)) !== undefined)
  const made = await client.create(sent, async () => requests)
  await confirm()
  sure(await keepProviderId(database, batch.id, holder, made.id))
  return made
}

/**
 * Asks the provider to cancel a batch whose time is over, or that nobody waits for any more. Returns the seconds until the
 * next look; `over` when the provider takes too long.
 */
const cancelIfOver = async ({ deps, batch, client }: Held, providerId: string): Promise<number | 'over'> => {
  const { database, holder, limits } = deps
  const soon = Math.min(limits.pollSeconds, 10)
  const untilDue = (batch.due_at.getTime() - now()) / 1000
  if (batch.cancelled_at) {
    return now() - batch.cancelled_at.getTime() > longestCancelMs ? 'over' : soon
  }
  if (untilDue > 0 && (await countWanted(database, batch.id)) > 0) return Math.min(limits.pollSeconds, untilDue)
  await client.cancel(providerId)
  sure(await noteCancelled(database, batch.id, holder))
  return soon
}

const whyReleased = (batch: ProviderBatchRow, { problem }: ProviderBatch): string => {
  if (problem !== undefined) return `the provider refused the batch: ${problem}`
  return batch.cancelled_at ? 'the batch took longer than max_wait_sec' : 'the provider did not answer it in the batch'
}

/** Takes the results of an ended batch. What the provider did not carry out is sent at once. */
const finish = async ({ deps, batch, client, confirm }: Held, ended: ProviderBatch): Promise<void> => {
  const { database, holder, sealer } = deps
  const of = { batch: batch.id, model: `${batch.provider}/${batch.model}` }
  let settling: SettledCall[] = []
  let isOurs = false
  const settle = async () => {
    const calls = settling
    settling = []
    await confirm()
    await database.transaction((queries) => settleCalls(queries, of, calls))
  }
  const known = client.isGuess ? await idsOf(deps, batch) : undefined
  for await (const { id, answer } of client.results(ended)) {
    isOurs ||= known?.has(id) ?? true
    if (known && !isOurs) return await disown(deps, batch, ended)
    if (!answer) continue
    const { usd, tokens } = answer.status < 300 ? await client.charge(answer.body) : { usd: null, tokens: 0 }
    const sealed = sealer.seal(answer.body, batchedCallSeal(id))
    settling.push({ id, status: answer.status, sealed, usd, tokens })
    if (settling.length >= settledAtOnce) await settle()
  }
  if (settling.length > 0) await settle()
  await deps.release({ batch: batch.id }, whyReleased(batch, ended))
  const counts = { completed: ended.completed, failed: ended.failed }
  await endBatch(database, batch.id, holder, { problem: ended.problem ?? null, counts })
}

const idsOf = async ({ database }: LookDeps, { id }: ProviderBatchRow): Promise<Set<string>> => {
  const ids = new Set<string>()
  for (let after = ''; ; ) {
    const rows = await requestsOfBatch(database, id, after)
    for (const row of rows) ids.add(row.id)
    const last = rows.at(-1)
    if (!last) return ids
    after = last.id
  }
}

/** The batch that was found is somebody else's: ours is looked for again, and created if it is not there. */
const disown = async ({ database, holder, log }: LookDeps, batch: ProviderBatchRow, other: ProviderBatch) => {
  log.warn({ batch: batch.id, found: other.id }, 'a batch at the provider is not the one that was looked for')
  sure(await forgetProviderId(database, batch.id, holder))
  await releaseBatch(database, batch.id, holder, { seconds: 0, failures: 0, problem: null })
}
