import type { Queries } from '../database/database.ts'
import { AppError } from '../lib/errors.ts'
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

/**
 * Refuses a file folder other than the one this database has used: runs would refer to files that are not there. The
 * first process decides which folder it is.
 */
export const claimFolder = async (queries: Queries, folder: { id: string; path: string }): Promise<void> => {
  const claimed = await readClaim(queries, folder.id)
  if (claimed === folder.id) return
  throw new AppError('conflict', `The folder ${folder.path} does not contain the files of this database`, {
    hint:
      'All processes with the same DATABASE_URL need the same folder of files: set JETTY_DATA_DIR to the folder of the others, ' +
      'or mount it at files/. If this folder is the right one, as after a restore, stop the others and run ' +
      '`jetty storage adopt`.',
  })
}

const readClaim = async (queries: Queries, id: string): Promise<string | undefined> => {
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

/** Binds this database to a folder. */
export const moveClaim = async (queries: Queries, id: string): Promise<void> => {
  await queries.rows(
    'move_files_folder',
    `insert into server (key, value) values ('files-folder', $1) on conflict (key) do update set value = $1`,
    [id],
  )
}
