import {
  bigint,
  bool,
  change,
  int,
  list,
  moment,
  orNull,
  query,
  queryOne,
  queryValue,
  type Row,
  table,
  text,
} from '../database/table.ts'
import { isRestoreHeld } from '../system/restore-state.ts'

/** Encryption context of the account of a batch. */
export const providerBatchSeal = (id: string): string => `provider-batches/${id}`

const { columns } = table('provider_batches', {
  id: text,
  collection_id: bigint,
  provider: text,
  model: text,
  path: text,
  sealed_account: text,
  requests: int,
  file_id: orNull(text),
  provider_id: orNull(text),
  /** Ids of batches that were taken for this one, and are others. */
  rejected: list(text),
  uploading_at: orNull(moment),
  creating_at: orNull(moment),
  submitted_at: orNull(moment),
  due_at: moment,
  cancelled_at: orNull(moment),
  failures: int,
})
export type ProviderBatchRow = Row<typeof columns>

/** SQL condition: a batch wants to be looked after, or calls have been collected for long enough. */
export const isBatchWorkDue = (at: string): string =>
  `((exists (select from provider_batches where ended_at is null and look_at <= ${at} and held_until <= ${at})
     or exists (select from batched_calls where state = 'waiting' and ready_at <= ${at})
     or exists (select from batched_calls where state = 'waiting' and due_at <= ${at})) and not ${isRestoreHeld})`

/** A process that looks after a batch, and for how many seconds nobody else does. */
interface BatchHold {
  holder: string
  seconds: number
}

/** Takes the batch that has waited longest to be looked after. */
export const claimBatch = queryOne(
  'claim_provider_batch',
  columns,
  `update provider_batches set holder = $1, held_until = now() + make_interval(secs => $2) where id = (
     select id from provider_batches where ended_at is null and look_at <= now() and held_until <= now()
       and not ${isRestoreHeld} order by look_at limit 1 for update skip locked)
   returning ${Object.keys(columns).join(', ')}`,
  ({ holder, seconds }: BatchHold) => [holder, seconds],
)

/** Extends the hold on a batch; false when another process has it. */
export const holdBatch = change(
  'hold_provider_batch',
  `update provider_batches set held_until = now() + make_interval(secs => $3) where id = $1 and holder = $2
   returning true`,
  (id: string, { holder, seconds }: BatchHold) => [id, holder, seconds],
)

/** Notes that something is about to be sent that must not be sent twice. Returns when that was tried first; undefined: lost. */
export const noteUpload = queryOne(
  'note_upload_of_batch',
  { at: moment },
  `update provider_batches set uploading_at = coalesce(uploading_at, now()), held_until = now() + make_interval(secs => $3)
   where id = $1 and holder = $2 returning uploading_at as at`,
  (id: string, { holder, seconds }: BatchHold) => [id, holder, seconds],
)
export const noteCreation = queryOne(
  'note_creation_of_batch',
  { at: moment },
  `update provider_batches set creating_at = coalesce(creating_at, now()), held_until = now() + make_interval(secs => $3)
   where id = $1 and holder = $2 returning creating_at as at`,
  (id: string, { holder, seconds }: BatchHold) => [id, holder, seconds],
)

export const keepFileId = change(
  'keep_file_of_batch',
  'update provider_batches set file_id = $3 where id = $1 and holder = $2 returning true',
  (id: string, holder: string, fileId: string) => [id, holder, fileId],
)

/** Stores the provider's batch. */
export const keepProviderId = change(
  'keep_provider_id_of_batch',
  `update provider_batches set provider_id = $3, submitted_at = coalesce(submitted_at, now())
   where id = $1 and holder = $2 returning true`,
  (id: string, holder: string, providerId: string) => [id, holder, providerId],
)

/** Forgets a batch of the provider that turned out to be another one. */
export const forgetProviderId = change(
  'forget_provider_id_of_batch',
  `update provider_batches set provider_id = null, submitted_at = null, rejected = rejected || provider_id
   where id = $1 and holder = $2 returning true`,
  (id: string, holder: string) => [id, holder],
)

export const noteCancelled = change(
  'note_cancelled_batch',
  'update provider_batches set cancelled_at = now() where id = $1 and holder = $2 returning true',
  (id: string, holder: string) => [id, holder],
)

/** Gives a batch back, and says when it is looked after next. */
export const releaseBatch = change(
  'release_provider_batch',
  `update provider_batches set holder = null, held_until = '-infinity', look_at = now() + make_interval(secs => $3),
     failures = $4, problem = $5, completed = coalesce($6, completed), failed = coalesce($7, failed)
   where id = $1 and holder = $2`,
  (
    id: string,
    holder: string,
    next: { seconds: number; failures: number; problem: string | null; counts?: { completed: number; failed: number } },
  ) => [id, holder, next.seconds, next.failures, next.problem, next.counts?.completed, next.counts?.failed],
)

export const endBatch = change(
  'end_provider_batch',
  `update provider_batches set holder = null, held_until = '-infinity', ended_at = now(), reserved_usd = 0,
     reserved_tokens = 0, problem = $3, completed = coalesce($4, completed), failed = coalesce($5, failed)
   where id = $1 and holder = $2 returning true`,
  (id: string, holder: string, end: { problem: string | null; counts?: { completed: number; failed: number } }) => [
    ...[id, holder, end.problem, end.counts?.completed, end.counts?.failed],
  ],
)

/** Whether open batches of a collection have reserved something of its budget. */
export const hasReservations = queryValue(
  'has_reservations',
  { found: bool },
  'select exists (select from provider_batches where collection_id = $1 and ended_at is null) as found',
  (collectionId: number) => [collectionId],
)

/** The ids at their provider of the newest batches of a collection's provider. */
export const knownBatches = query(
  'known_provider_batches',
  { provider_id: text },
  `select provider_id from provider_batches where provider = $1 and provider_id is not null and id <> $2
     and created_at > now() - interval '3 days'`,
  (provider: string, except: string) => [provider, except],
  (rows) => new Set(rows.map(({ provider_id }) => provider_id)),
)

/** Removes batches that ended a month ago. */
export const removeOldBatches = change(
  'remove_old_provider_batches',
  `delete from provider_batches where id in (
     select id from provider_batches where ended_at < now() - interval '30 days' limit 1000)`,
)
