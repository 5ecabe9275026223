import type { Database } from '../database/database.ts'

/** Progress of a key rotation, stored so that any process can report it. */
export interface RotationProgress {
  key_id: string
  state: 'running' | 'done' | 'failed'
  total: number
  resealed: number
  error: string | null
}

/** Stores the progress of the rotation that is under way. */
export const saveRotationProgress = async (database: Database, progress: RotationProgress): Promise<void> => {
  await database.rows(
    'save_key_rotation',
    `insert into server (key, value) values ('key-rotation', $1) on conflict (key) do update set value = excluded.value`,
    [JSON.stringify(progress)],
  )
}

/**
 * Reads the progress of the latest rotation to this key. One marked as running while nobody holds the lock has died.
 */
export const readRotationProgress = async (
  database: Database,
  keyId: string,
): Promise<RotationProgress | undefined> => {
  const [row] = await database.rows<{ value: string; held: boolean }>(
    'read_key_rotation',
    `select value, exists (select from pg_locks where locktype = 'advisory' and classid = lock_space()::oid and objid = 2
       and database = (select oid from pg_database where datname = current_database())) as held
     from server where key = 'key-rotation'`,
  )
  const progress = row && (JSON.parse(row.value) as RotationProgress)
  if (!progress || progress.key_id !== keyId) return undefined
  if (progress.state !== 'running' || row.held) return progress
  return { ...progress, state: 'failed', error: 'The process that rotated the key ended before it had finished' }
}
