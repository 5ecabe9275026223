import type { Queries } from '../database/database.ts'
import { AppError } from '../lib/errors.ts'
import type { DatabaseIdentity } from './objects/owner.ts'

/** Postgres's own identity. The name of the WAL file written now begins with the timeline, from a promotion on. */
const origin = `(select system_identifier from pg_control_system()) || '/' ||
  ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int`
const object = `(select oid from pg_database where datname = current_database())`
const installation = `(select value from server where key = 'installation')`

/** Some hosted databases keep these functions for themselves, or have none. */
const isHidden = (error: unknown): boolean =>
  ['42501', '42883', '0A000'].includes((error as { code?: string }).code ?? '')

/** What this database is known by in folders that belong to it. */
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
 * Refuses a folder of files that is not the one this database has been used with: runs would name files that are not
 * there. The first process decides which one it is.
 */
export const claimFolder = async (queries: Queries, folder: { id: string; path: string }): Promise<void> => {
  const claimed = await readClaim(queries, folder.id)
  if (claimed === folder.id) return
  throw new AppError('conflict', `The files of this database are not in ${folder.path}: it is another folder`, {
    hint:
      'All processes on one DATABASE_URL need one folder of files: point JETTY_DATA_DIR at the one that the others use, ' +
      'or mount it at files/. Where this folder is right, as after a restore, stop the others and run ' +
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

/** Makes a folder the one that this database is used with. */
export const moveClaim = async (queries: Queries, id: string): Promise<void> => {
  await queries.rows(
    'move_files_folder',
    `insert into server (key, value) values ('files-folder', $1) on conflict (key) do update set value = $1`,
    [id],
  )
}
