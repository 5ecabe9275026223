import { entityTag } from '../../http/entity-tag.ts'
import type { AnyCall } from '../../http/implement.ts'
import { jsonHeaders, Reply } from '../../http/reply.ts'
import { listText, textStream } from '../../http/text-stream.ts'
import type { JsonObject } from '../../lib/json/json-object.ts'
import { timestamp, timestampOrNull } from '../../lib/time.ts'
import type { Routine } from '../../model/routine.ts'
import type { ListedRoutine, RoutineRow } from '../../store/routines.ts'

const shown = (row: ListedRoutine): Routine => ({
  id: row.id,
  name: row.name,
  collection: row.collection_name,
  task: row.task_name,
  cadence: JSON.parse(row.cadence) as Routine['cadence'],
  init_params_overrides: JSON.parse(row.init_params_overrides) as JsonObject,
  secret_param_keys: row.secret_param_keys,
  paused: row.paused,
  webhook_url: row.webhook_url,
  has_webhook_secret: row.sealed_webhook_secret !== null,
  overlap: row.overlap,
  catch_up: row.catch_up,
  next_run_at: timestampOrNull(row.next_run_at),
  last_run_at: timestampOrNull(row.last_run_at),
  last_trajectory_id: row.last_trajectory_id,
  waiting: row.waiting.length,
  last_skipped_at: timestampOrNull(row.last_skipped_at),
  last_skip_reason: row.last_skip_reason,
  created_at: timestamp(row.created_at),
  updated_at: timestamp(row.updated_at),
})

/** Entity tag of what a PATCH can change: a fire is no change. */
export const routineTag = (row: RoutineRow): string =>
  entityTag([
    ...[row.id, row.cadence, row.init_params_overrides, row.secret_param_keys, row.sealed_secrets, row.paused],
    ...[row.webhook_url, row.sealed_webhook_secret, row.overlap, row.catch_up, row.updated_at],
  ])

/** Shows a routine, with its entity tag as a header. */
export const taggedRoutine = ({ addHeaders }: AnyCall, row: ListedRoutine): Routine => {
  addHeaders({ etag: routineTag(row) })
  return shown(row)
}

/** Maximum routines in memory: each may have parameters as large as those of a run. */
const readAtOnce = 20

type ReadPart = (part: { skip: number; after: number; limit: number }) => Promise<ListedRoutine[]>

async function* inParts(read: ReadPart, page: { skip: number; limit: number }): AsyncGenerator<Routine> {
  let left = page.limit
  let from = { skip: page.skip, after: 0 }
  while (left > 0) {
    const rows = await read({ ...from, limit: Math.min(readAtOnce, left) })
    for (const row of rows) yield shown(row)
    const last = rows.at(-1)
    if (!last || rows.length < readAtOnce) return
    left -= rows.length
    from = { skip: 0, after: last.id }
  }
}

/** Answers with a list of routines, which is read and sent in parts. */
export const routineList = (read: ReadPart, page: { skip: number; limit: number }): Reply =>
  new Reply(textStream(listText('{"routines":', inParts(read, page), '}')), jsonHeaders)
