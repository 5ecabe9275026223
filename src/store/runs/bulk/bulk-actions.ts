import type { BulkAction, BulkActionKind } from '../../../model/runs/bulk-action.ts'
import type { Queries } from '../../database/database.ts'
import {
  bigint,
  change,
  int,
  moment,
  namesOf,
  orNull,
  query,
  queryOne,
  type Row,
  table,
  text,
  textOf,
  valuesOf,
} from '../../database/table.ts'
import { isRestoreHeld } from '../../system/restore-state.ts'

/** Members with `JSON` hold JSON text. */
const bulkActions = table('bulk_actions', {
  id: text,
  number: bigint,
  collection_id: bigint,
  action: textOf<BulkActionKind>(),
  /** JSON: what it does with each run. */
  change: text,
  /** JSON: keys of the runs; null for an action on a filter, or an undo. */
  chosen: orNull(text),
  /** JSON: a CollectionRunFilter. */
  filter: orNull(text),
  undo_of: orNull(text),
  /** JSON: where it continues; null at the start. */
  position: orNull(text),
  /** JSON: a BulkPart that was noted and is not settled; null when there is none. */
  part: orNull(text),
  total: orNull(int),
  taken: int,
  done: int,
  skipped: int,
  failed: int,
  state: textOf<BulkAction['state']>(),
  reason: orNull(text),
  author: text,
  recorded_by: text,
  key_id: orNull(bigint),
  claim: int,
  created_at: moment,
  ended_at: orNull(moment),
})
export type BulkActionRow = Row<typeof bulkActions.columns>

const columns = namesOf(bulkActions.columns)

const given = [
  ...(['id', 'collection_id', 'action', 'change', 'chosen', 'filter', 'undo_of', 'total'] as const),
  ...(['author', 'recorded_by', 'key_id'] as const),
] as const
export type NewBulkActionRow = Pick<BulkActionRow, (typeof given)[number]>

/** Maximum number of actions of a collection that run at once. */
const mostRunning = 10
const keptDays = 30

/**
 * Stores an action; undefined when the collection runs as many as it may, or is gone. Forgets actions that ended long
 * ago.
 */
export const createBulkAction = queryOne(
  'create_bulk_action',
  bulkActions.columns,
  `with forgotten as (
         delete from bulk_actions where collection_id = $2 and state <> 'running'
           and ended_at < now() - interval '${keptDays} days')
       insert into bulk_actions (id, collection_id, action, change, chosen, filter, undo_of, total, author, recorded_by, key_id)
       select $1, c.id, $3, $4, $5, $6, $7, $8::int, $9, $10, $11::bigint from collections c
       where c.id = $2
         and (select count(*) from bulk_actions where collection_id = $2 and state = 'running') < ${mostRunning}
       returning ${columns}`,
  (row: NewBulkActionRow) => valuesOf(given, row),
)

export const findBulkAction = queryOne(
  'find_bulk_action',
  bulkActions.columns,
  `select ${columns} from bulk_actions where id = $1 and collection_id = $2`,
  (collectionId: number, id: string) => [id, collectionId],
)

/** Lists actions of a collection below a number, newest first. */
export const listBulkActions = query(
  'list_bulk_actions',
  bulkActions.columns,
  `select ${columns} from bulk_actions where collection_id = $1 and number < $2 order by number desc limit $3`,
  (collectionId: number, page: { before: number; limit: number }) => [collectionId, page.before, page.limit],
)

/** Stops a running action; false when it has ended. A part that is under way is still completed. */
export const stopBulkAction = change(
  'stop_bulk_action',
  `update bulk_actions set state = 'stopped', reason = $2, ended_at = now() where id = $1 and state = 'running'
       returning id`,
  (id: string, reason: string) => [id, reason],
)

/** SQL condition: a part of some action is due. Examines only the first row in index order. */
export const isAnyBulkActionDue = (at: string): string =>
  `(coalesce((select due_at <= ${at} from bulk_actions where state = 'running' order by due_at limit 1), false)
    and not ${isRestoreHeld})`

/** After this time without news the process of a part counts as dead, and another one repeats the part. */
const lostAfterSeconds = 30

/** Claims the action whose part has been due longest, so that actions take turns; undefined when none is due. */
export const claimBulkAction = queryOne(
  'claim_bulk_action',
  bulkActions.columns,
  `with due as (
         select id from bulk_actions where state = 'running' and due_at <= $1 and not ${isRestoreHeld}
         order by due_at limit 1
         for no key update skip locked)
       update bulk_actions b set claim = claim + 1, due_at = $1::timestamptz + interval '${lostAfterSeconds} seconds'
       from due where b.id = due.id returning ${bulkActions.of('b')}`,
  (at: Date) => [at],
)

const mayKeyWrite = change(
  'key_may_still_write',
  `select from api_keys k join api_key_collections c on c.key_id = k.id and c.collection_id = $2
       where k.id = $1 and k.is_active and k.access_level = 'WRITE' and (k.expires_at is null or k.expires_at > now())`,
  (keyId: number, collectionId: number) => [keyId, collectionId],
)

/** Whether the key that asked for an action may still write in its collection; the admin always may. */
export const mayStillWrite = async (
  queries: Queries,
  { key_id, collection_id }: Pick<BulkActionRow, 'key_id' | 'collection_id'>,
): Promise<boolean> => key_id === null || mayKeyWrite(queries, key_id, collection_id)
