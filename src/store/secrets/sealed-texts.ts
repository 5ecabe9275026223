import type { Queries } from '../../database/database.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { fingerprintSeal } from '../idempotency.ts'

/** A column of sealed texts. */
export interface SealedColumn {
  table: string
  /** The primary key, and its type. */
  key: string
  keyType: 'bigint' | 'text'
  sealed: string
  /** The column that `boundTo` is given. */
  bound: string
  boundTo(value: never): string
  /** Which rows have one, where not all do. */
  where?: string
}

/** What the secrets of a run are bound to. */
export const runSecretsSeal = (runKey: string): string => `runs/${runKey}`

/** What the secret is bound to that a run's webhook is signed with. */
export const webhookSecretSeal = (runKey: string): string => `runs/${runKey}/webhook`

/** What the secrets of a routine are bound to, and what its webhooks are signed with. */
export const routineSecretsSeal = (id: number): string => `routines/${id}`
export const routineWebhookSeal = (id: number): string => `routines/${id}/webhook`

/** What a sealed environment is bound to, so that it opens for its own collection only. */
export const environmentSeal = (collectionId: number): string => `environments/${collectionId}`

/** What is sealed of a collection's storage, so that it opens for its own collection only. */
export const storageInfoSeal = (collectionId: number): string => `collections/${collectionId}/storage`

/** What the text is bound to that tells whether a server has the right key. */
export const sealingKeySeal = 'server/sealing-key'

/**
 * Everything that is sealed. A new column goes here, or a change of the key would leave it behind. The check of the
 * server is last: once a server that has the new key alone may start, nothing else needs the old one.
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
    boundTo: () => sealingKeySeal,
    where: `key = 'sealing-key'`,
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

/** Texts that were sealed with another key than the newest, by the id of theirs. */
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
 * Seals every text of a column with the newest key that has another one, in the order of the primary key. A text that
 * somebody changes or holds at the moment is passed over. Throws what opening throws, with the table named.
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
  // Rows are locked only where nobody has them, so that this waits for nobody and nobody deadlocks with it.
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
