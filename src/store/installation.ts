import type { Queries } from './database/database.ts'
import type { DatabaseIdentity } from './objects/owner.ts'

/** Postgres's own identity. The name of the current WAL file begins with the timeline, which a promotion changes. */
const origin = `(select system_identifier from pg_control_system()) || '/' ||
  ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int`
const object = `(select oid from pg_database where datname = current_database())`
const installation = `(select value from server where key = 'installation')`

/** Some hosted databases forbid these functions or lack them. */
const isHidden = (error: unknown): boolean =>
  ['42501', '42883', '0A000'].includes((error as { code?: string }).code ?? '')

/** Reads the identity under which this database is noted in its folders. */
export const identifyDatabase = async (queries: Queries): Promise<DatabaseIdentity> => {
  const identify = async (name: string, from: string) => {
    const [row] = await queries.rows<DatabaseIdentity>(
      name,
      `select ${installation} as installation, ${from} || '/' || ${object} as origin`,
    )
    return row as DatabaseIdentity
  }
  try {
    return await identify('identify_database', origin)
  } catch (error) {
    if (!isHidden(error)) throw error
    return identify('identify_database_by_object', `'-/-'`)
  }
}

/** Returns the id of the storage that this database is bound to; the first process binds it to its own. */
export const claimedStorage = async (queries: Queries, id: string): Promise<string | undefined> => {
  const read = async () =>
    (
      await queries.rows<{ value: string }>('read_files_folder', `select value from server where key = 'files-folder'`)
    )[0]?.value
  const found = await read()
  if (found !== undefined) return found
  await queries.rows(
    'claim_files_folder',
    `insert into server (key, value) values ('files-folder', $1) on conflict do nothing`,
    [id],
  )
  return read()
}

/** Binds this database to a storage. */
export const moveClaim = async (queries: Queries, id: string): Promise<void> => {
  await queries.rows(
    'move_files_folder',
    `insert into server (key, value) values ('files-folder', $1) on conflict (key) do update set value = $1`,
    [id],
  )
}
