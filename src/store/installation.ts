import type { Queries } from './database/database.ts'
import { change, queryOne, text } from './database/table.ts'
import type { DatabaseIdentity } from './objects/owner.ts'

/** Postgres's own identity. The name of the current WAL file begins with the timeline, which a promotion changes. */
const origin = `(select system_identifier from pg_control_system()) || '/' ||
  ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int`
const object = `(select oid from pg_database where datname = current_database())`
const installation = `(select value from server where key = 'installation')`

/** Some hosted databases forbid these functions or lack them. */
const isHidden = (error: unknown): boolean =>
  ['42501', '42883', '0A000'].includes((error as { code?: string }).code ?? '')

const identify = (name: string, from: string) =>
  queryOne(
    name,
    { installation: text, origin: text },
    `select ${installation} as installation, ${from} || '/' || ${object} as origin`,
  )
const identifyByServer = identify('identify_database', origin)
const identifyByObject = identify('identify_database_by_object', `'-/-'`)

/** Reads the identity under which this database is noted in its folders. */
export const identifyDatabase = async (queries: Queries): Promise<DatabaseIdentity> => {
  try {
    return (await identifyByServer(queries)) as DatabaseIdentity
  } catch (error) {
    if (!isHidden(error)) throw error
    return (await identifyByObject(queries)) as DatabaseIdentity
  }
}

const readClaim = queryOne('read_files_folder', { value: text }, `select value from server where key = 'files-folder'`)
const writeClaim = change(
  'claim_files_folder',
  `insert into server (key, value) values ('files-folder', $1) on conflict do nothing`,
  (id: string) => [id],
)

/** Returns the id of the storage that this database is bound to; the first process binds it to its own. */
export const claimedStorage = async (queries: Queries, id: string): Promise<string | undefined> => {
  const found = await readClaim(queries)
  if (found) return found.value
  await writeClaim(queries, id)
  return (await readClaim(queries))?.value
}

/** Binds this database to a storage. */
export const moveClaim = change(
  'move_files_folder',
  `insert into server (key, value) values ('files-folder', $1) on conflict (key) do update set value = $1`,
  (id: string) => [id],
)
