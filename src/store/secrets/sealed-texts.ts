import { AppError, messageOf } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { batchedCallSeal } from '../calls/batched-calls.ts'
import { providerBatchSeal } from '../calls/provider-batches.ts'
import type { Queries } from '../database/database.ts'
import { fingerprintSeal } from '../idempotency.ts'
import { jobPlace, jobSeal } from '../workers/jobs.ts'

/** A column of encrypted texts. */
export interface SealedColumn {
  table: string
  /** Primary key column and its type. */
  key: string
  keyType: 'bigint' | 'text'
  sealed: string
  /** Column, or SQL of one row, whose value `boundTo` receives. */
  bound: string
  boundTo(value: never): string
  /** Condition for rows that have a text, when not all do. */
  where?: string
}

/** Encryption context of a run's secrets. */
export const runSecretsSeal = (runKey: string): string => `runs/${runKey}`

/** Encryption context of the signing secret of a run's webhook. */
export const webhookSecretSeal = (runKey: string): string => `runs/${runKey}/webhook`

/** Encryption context of a routine's secrets and webhook secret. */
export const routineSecretsSeal = (id: number): string => `routines/${id}`
export const routineWebhookSeal = (id: number): string => `routines/${id}/webhook`

/** Encryption context of a hook's signing secret, and of the one before it. */
export const hookSecretSeal = (id: number): string => `hooks/${id}`
export const hookFormerSecretSeal = (id: number): string => `hooks/${id}/former`

/** Encryption context of an environment: it opens only for its own collection. */
export const environmentSeal = (collectionId: number): string => `environments/${collectionId}`

/** Encryption context of a collection's storage configuration: it opens only for its own collection. */
export const storageInfoSeal = (collectionId: number): string => `collections/${collectionId}/storage`

/** Encryption context of a secret of the server. */
export const serverValueSeal = (key: string): string => `server/${key}`

/** Encryption context of the text that verifies a server's key. */
export const sealingKeySeal = serverValueSeal('sealing-key')

/**
 * All encrypted columns. A new column must be listed here, or a key rotation would leave it behind. The server's check
 * comes last: once a server with only the new key may start, nothing else needs the old one.
 */
export const sealedColumns: readonly SealedColumn[] = [
  {
    table: 'environments',
    key: 'id',
    keyType: 'bigint',
    sealed: 'sealed',
    bound: 'collection_id',
    boundTo: environmentSeal,
  },
  {
    table: 'collections',
    key: 'id',
    keyType: 'bigint',
    sealed: 'sealed_storage_info',
    bound: 'id',
    boundTo: storageInfoSeal,
    where: 'sealed_storage_info is not null',
  },
  {
    table: 'runs',
    key: 'id',
    keyType: 'text',
    sealed: 'sealed_secrets',
    bound: 'id',
    boundTo: runSecretsSeal,
    where: 'sealed_secrets is not null',
  },
  {
    table: 'runs',
    key: 'id',
    keyType: 'text',
    sealed: 'sealed_webhook_secret',
    bound: 'id',
    boundTo: webhookSecretSeal,
    where: 'sealed_webhook_secret is not null',
  },
  {
    table: 'routines',
    key: 'id',
    keyType: 'bigint',
    sealed: 'sealed_secrets',
    bound: 'id',
    boundTo: routineSecretsSeal,
    where: 'sealed_secrets is not null',
  },
  {
    table: 'routines',
    key: 'id',
    keyType: 'bigint',
    sealed: 'sealed_webhook_secret',
    bound: 'id',
    boundTo: routineWebhookSeal,
    where: 'sealed_webhook_secret is not null',
  },
  {
    table: 'hooks',
    key: 'id',
    keyType: 'bigint',
    sealed: 'sealed_secret',
    bound: 'id',
    boundTo: hookSecretSeal,
    where: 'sealed_secret is not null',
  },
  {
    table: 'hooks',
    key: 'id',
    keyType: 'bigint',
    sealed: 'sealed_former_secret',
    bound: 'id',
    boundTo: hookFormerSecretSeal,
    where: 'sealed_former_secret is not null',
  },
  {
    table: 'provider_batches',
    key: 'id',
    keyType: 'text',
    sealed: 'sealed_account',
    bound: 'id',
    boundTo: providerBatchSeal,
  },
  ...(['sealed_request', 'sealed_answer'] as const).map((sealed) => ({
    ...{ table: 'batched_calls', key: 'id', keyType: 'text' as const, sealed, bound: 'id', boundTo: batchedCallSeal },
    where: `${sealed} is not null`,
  })),
  {
    table: 'worker_jobs',
    key: 'id',
    keyType: 'text',
    sealed: 'sealed_parameters',
    bound: jobPlace,
    boundTo: jobSeal,
    where: 'sealed_parameters is not null',
  },
  {
    table: 'worker_jobs',
    key: 'id',
    keyType: 'text',
    sealed: 'sealed_result',
    bound: jobPlace,
    boundTo: jobSeal,
    where: 'sealed_result is not null',
  },
  {
    table: 'idempotency_keys',
    key: 'scope',
    keyType: 'text',
    sealed: 'fingerprint',
    bound: 'scope',
    boundTo: fingerprintSeal,
  },
  {
    table: 'server',
    key: 'key',
    keyType: 'text',
    sealed: 'value',
    bound: 'key',
    boundTo: serverValueSeal,
    where: `key in ('callback-key', 'sealing-key')`,
  },
]

const batchRows = 200

interface SealedRow {
  key: string | number
  sealed: string
  bound: never
}

const older = ({ sealed, where }: SealedColumn): string =>
  `${sealed} not like 'v1.' || $1 || '.%'${where ? ` and ${where}` : ''}`

/** Counts texts encrypted with older keys, by key id. */
export const countOlder = async (
  queries: Queries,
  currentKeyId: string,
  columns = sealedColumns,
): Promise<Map<string, number>> => {
  const counts = new Map<string, number>()
  for (const column of columns) {
    const rows = await queries.rows<{ id: string; total: number }>(
      `count_older_${column.table}_${column.sealed}`,
      `select split_part(${column.sealed}, '.', 2) as id, count(*) as total from ${column.table}
       where ${older(column)} group by 1`,
      [currentKeyId],
    )
    for (const { id, total } of rows) counts.set(id, (counts.get(id) ?? 0) + total)
  }
  return counts
}

const renew = (sealer: Sealer, column: SealedColumn, row: SealedRow): string => {
  const boundTo = column.boundTo(row.bound)
  try {
    return sealer.seal(sealer.open(row.sealed, boundTo), boundTo)
  } catch (cause) {
    throw new AppError('internal', `${column.table}: ${messageOf(cause)}`, { cause })
  }
}

/**
 * Re-encrypts every text of a column that has an older key, in primary key order. Skips texts that are locked or change
 * meanwhile. Throws decryption errors with the table named.
 */
export const resealColumn = async (
  queries: Queries,
  sealer: Sealer,
  column: SealedColumn,
  onProgress: (resealed: number) => Promise<void>,
): Promise<void> => {
  const { table, key, keyType, sealed } = column
  const read = `select ${key} as key, ${sealed} as sealed, ${column.bound} as bound from ${table}
    where ${older(column)} and ($2::${keyType} is null or ${key} > $2) order by ${key} limit ${batchRows}`
  // Locks only free rows, so that it never waits and never deadlocks.
  const write = `with free as (
      select t.${key} as key, u.new from ${table} t
      join unnest($1::${keyType}[], $2::text[], $3::text[]) u(key, old, new) on t.${key} = u.key and t.${sealed} = u.old
      for update of t skip locked)
    update ${table} t set ${sealed} = free.new from free where t.${key} = free.key returning 1`
  for (let after: SealedRow['key'] | null = null; ; ) {
    const id = sealer.currentKeyId
    const rows: SealedRow[] = await queries.rows<SealedRow>(`older_${table}_${sealed}`, read, [id, after])
    const last = rows.at(-1)
    if (!last) return
    const renewed = rows.map((row) => renew(sealer, column, row))
    const values = [rows.map((row) => row.key), rows.map((row) => row.sealed), renewed]
    const written = await queries.rows(`reseal_${table}_${sealed}`, write, values)
    await onProgress(written.length)
    after = last.key
  }
}
