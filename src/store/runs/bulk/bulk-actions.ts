import type { BulkAction, BulkActionKind } from '../../../model/runs/bulk-action.ts'
import type { Queries } from '../../database/database.ts'
import { isRestoreHeld } from '../../system/restore-state.ts'

/** Row of an action; members with `JSON` hold JSON text. */
export interface BulkActionRow {
  id: string
  number: number
  collection_id: number
  action: BulkActionKind
  /** JSON: what it does with each run. */
  change: string
  /** JSON: keys of the runs; null for an action on a filter, or an undo. */
  chosen: string | null
  /** JSON: a CollectionRunFilter. */
  filter: string | null
  undo_of: string | null
  /** JSON: where it continues; null at the start. */
  position: string | null
  /** JSON: a BulkPart that was noted and is not settled; null when there is none. */
  part: string | null
  total: number | null
  taken: number
  done: number
  skipped: number
  failed: number
  state: BulkAction['state']
  reason: string | null
  author: string
  recorded_by: string
  key_id: number | null
  claim: number
  created_at: Date
  ended_at: Date | null
}

const columns = `id, number, collection_id, action, change, chosen, filter, undo_of, position, part, total, taken, done, skipped,
  failed, state, reason, author, recorded_by, key_id, claim, created_at, ended_at`

export type NewBulkActionRow = Pick<
  BulkActionRow,
  | 'id'
  | 'collection_id'
  | 'action'
  | 'change'
  | 'chosen'
  | 'filter'
  | 'undo_of'
  | 'total'
  | 'author'
  | 'recorded_by'
  | 'key_id'
>

/** Maximum number of actions of a collection that run at once. */
const mostRunning = 10
const keptDays = 30

/**
 * Stores an action; undefined when the collection runs as many as it may, or is gone. Forgets actions that ended long
 * ago.
 */
export const createBulkAction = async (queries: Queries, row: NewBulkActionRow): Promise<BulkActionRow | undefined> =>
  (
    await queries.rows<BulkActionRow>(
      'create_bulk_action',
      `with forgotten as (
         delete from bulk_actions where collection_id = $2 and state <> 'running'
           and ended_at < now() - interval '${keptDays} days')
       insert into bulk_actions (id, collection_id, action, change, chosen, filter, undo_of, total, author, recorded_by, key_id)
       select $1, c.id, $3, $4, $5, $6, $7, $8::int, $9, $10, $11::bigint from collections c
       where c.id = $2
         and (select count(*) from bulk_actions where collection_id = $2 and state = 'running') < ${mostRunning}
       returning ${columns}`,
      [
        row.id,
        row.collection_id,
        row.action,
        row.change,
        row.chosen,
        row.filter,
        row.undo_of,
        row.total,
        row.author,
        row.recorded_by,
        row.key_id,
      ],
    )
  )[0]

export const findBulkAction = async (
  queries: Queries,
  collectionId: number,
  id: string,
): Promise<BulkActionRow | undefined> =>
  (
    await queries.rows<BulkActionRow>(
      'find_bulk_action',
      `select ${columns} from bulk_actions where id = $1 and collection_id = $2`,
      [id, collectionId],
    )
  )[0]

/** Lists actions of a collection below a number, newest first. */
export const listBulkActions = (
  queries: Queries,
  collectionId: number,
  page: { before: number; limit: number },
): Promise<BulkActionRow[]> =>
  queries.rows<BulkActionRow>(
    'list_bulk_actions',
    `select ${columns} from bulk_actions where collection_id = $1 and number < $2 order by number desc limit $3`,
    [collectionId, page.before, page.limit],
  )

/** Stops a running action; false when it has ended. A part that is under way is still completed. */
export const stopBulkAction = async (queries: Queries, id: string, reason: string): Promise<boolean> =>
  (
    await queries.rows(
      'stop_bulk_action',
      `update bulk_actions set state = 'stopped', reason = $2, ended_at = now() where id = $1 and state = 'running'
       returning id`,
      [id, reason],
    )
  ).length > 0

/** SQL condition: a part of some action is due. Examines only the first row in index order. */
export const isAnyBulkActionDue = (at: string): string =>
  `(coalesce((select due_at <= ${at} from bulk_actions where state = 'running' order by due_at limit 1), false)
    and not ${isRestoreHeld})`

/** After this time without news the process of a part counts as dead, and another one repeats the part. */
const lostAfterSeconds = 30

/** Claims the action whose part has been due longest, so that actions take turns; undefined when none is due. */
export const claimBulkAction = async (queries: Queries, at: Date): Promise<BulkActionRow | undefined> =>
  (
    await queries.rows<BulkActionRow>(
      'claim_bulk_action',
      `with due as (
         select id from bulk_actions where state = 'running' and due_at <= $1 and not ${isRestoreHeld}
         order by due_at limit 1
         for no key update skip locked)
       update bulk_actions b set claim = claim + 1, due_at = $1::timestamptz + interval '${lostAfterSeconds} seconds'
       from due where b.id = due.id returning ${columns
         .split(',')
         .map((name) => `b.${name.trim()}`)
         .join(', ')}`,
      [at],
    )
  )[0]

/** Whether the key that asked for an action may still write in its collection; the admin always may. */
export const mayStillWrite = async (
  queries: Queries,
  { key_id, collection_id }: Pick<BulkActionRow, 'key_id' | 'collection_id'>,
): Promise<boolean> =>
  key_id === null ||
  (
    await queries.rows(
      'key_may_still_write',
      `select from api_keys k join api_key_collections c on c.key_id = k.id and c.collection_id = $2
       where k.id = $1 and k.is_active and k.access_level = 'WRITE' and (k.expires_at is null or k.expires_at > now())`,
      [key_id, collection_id],
    )
  ).length > 0
