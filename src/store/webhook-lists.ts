import type { Queries } from './database/database.ts'
import type { AttemptRow } from './webhooks.ts'

/** An attempt to notify the receiver of a run, and the run. */
export interface CollectionAttempt extends AttemptRow {
  id: number
  task: string
  trajectory_id: string
  webhook_url: string | null
}

/** Lists one page of the attempts in a collection below an id, newest first; all, or those that failed. */
export const listAttempts = (
  queries: Queries,
  { collectionId, before, limit, isFailed }: { collectionId: number; before: number; limit: number; isFailed: boolean },
): Promise<CollectionAttempt[]> =>
  queries.rows(
    isFailed ? 'list_failed_attempts' : 'list_attempts',
    `select a.id, a.by_hand, a.delivered, a.status_code, a.error, a.started_at, a.duration_ms,
       (select count(*)::int from webhook_attempts b where b.run_id = a.run_id and b.id <= a.id) as n,
       coalesce((select t.name from tasks t where t.id = r.task_id),
         (select f.name from former_tasks f where f.task_id = r.task_id), split_part(r.name, '/', 2)) as task,
       r.trajectory_id, r.webhook_url
     from (select * from webhook_attempts where collection_id = $1 and id < $2 ${isFailed ? 'and not delivered' : ''}
           order by id desc limit $3) a
     join runs r on r.id = a.run_id order by a.id desc`,
    [collectionId, before, limit],
  )
