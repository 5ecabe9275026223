import type pg from 'pg'
import { AppError } from '../../lib/errors.ts'
import { watchConnectionName } from '../../store/database/connection.ts'
import { copyIn } from '../../store/database/copy.ts'
import {
  copyTarget,
  raiseSequences,
  readTables,
  type SequenceState,
  setSequences,
  type TableShape,
} from '../../store/database/tables.ts'
import { isRestoreHeld, writeRestoreState } from '../../store/system/restore-state.ts'
import { countRows } from './check-backup.ts'
import { type BackupManifest, leftOutTables } from './manifest.ts'

/** Rows of `server` that the new database keeps: who it is. */
const ownRows = ['installation']
/** Rows of `server` that say where the files of the former database are. */
const formerRows = ['files-folder', 'files-former', 'files-copy']

const lockKey = 7_070_107_108 // beside that of migrations

/** Makes this connection the only one that restores into its database. Throws `conflict` where another one does. */
export const lockRestores = async (client: pg.Client): Promise<void> => {
  const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock($1) as locked', [lockKey])
  if (rows[0]?.locked) return
  throw new AppError('conflict', 'Another restore into this database is under way', {
    hint: "Wait until it has ended. It has the application_name 'jetty restore' in pg_stat_activity.",
  })
}

/** Throws `conflict` unless the database is empty, or has only what a server made at its first start. */
export const requireEmpty = async (client: pg.Client): Promise<void> => {
  const { rows: tables } = await client.query<{ there: boolean }>(
    `select to_regclass('collections') is not null and to_regclass('runs') is not null as there`,
  )
  if (!tables[0]?.there) return
  const { rows } = await client.query<{ used: boolean }>(
    `select exists (select from collections) or exists (select from runs) or ${isRestoreHeld} as used`,
  )
  if (!rows[0]?.used) return
  throw new AppError('conflict', 'The database is not empty', {
    hint: 'Restore into a new data folder (JETTY_DATA_DIR), or into a new database (DATABASE_URL).',
  })
}

/** Throws `conflict` where a server runs on the database. Installations that share one have roles of their own. */
export const requireNoServer = async (client: pg.Client): Promise<void> => {
  const { rows } = await client.query(
    `select from pg_stat_activity
     where datname = current_database() and usename = current_user and application_name = $1 limit 1`,
    [watchConnectionName],
  )
  if (rows.length === 0) return
  throw new AppError('conflict', 'A server is running on the database of DATABASE_URL', {
    hint: `Stop all servers of this database. Each has the application_name '${watchConnectionName}' in pg_stat_activity.`,
  })
}

/** Loads the tables of a backup in one transaction: all of them, or none. */
export interface TableLoad {
  table(name: string, rows: AsyncIterable<Buffer>): Promise<number>
  /** Tables of the backup that Jetty does not have: their rows are not loaded. */
  foreign: readonly string[]
  /** Makes the loaded rows those of a new installation, and commits. */
  commit(statements: readonly string[]): Promise<void>
}

/** Begins a load. The database was migrated to what the backup has. */
export const beginLoad = async (client: pg.Client, manifest: BackupManifest): Promise<TableLoad> => {
  const shapes = new Map(manifest.tables.map((table) => [table.name, table]))
  const present = new Set((await readTables(client)).map(({ name }) => name).filter((name) => !leftOutTables.has(name)))
  const foreign: string[] = []
  await client.query('begin')
  const { rows: own } = await client.query<{ key: string; value: string }>(
    'select key, value from server where key = any($1)',
    [ownRows],
  )
  const loaded = manifest.tables.filter(({ name }) => present.has(name))
  // Emptied in the same transaction: Postgres writes less log for such a load. Migrations have written some rows.
  await client.query(`truncate ${loaded.map(({ name }) => `"${name}"`).join(', ')} cascade`)
  await requireNoServer(client) // those that start from here on wait for the lock of the truncated tables
  return {
    async table(name, rows) {
      const shape = shapes.get(name)
      if (shape && present.has(name)) return loadTable(client, shape, rows)
      foreign.push(name) // the schema has what the migrations of the backup made: this was not ours
      return countRows(rows)
    },
    foreign,
    async commit(statements) {
      await client.query('delete from server where key = any($1)', [[...ownRows, ...formerRows]])
      for (const { key, value } of own)
        await client.query('insert into server (key, value) values ($1, $2)', [key, value])
      for (const statement of statements) await client.query(statement)
      await raiseSequences(client) // newer migrations may insert rows before the backup tells the counters
      const state = { state: 'loading', backup: manifest.id, taken_at: manifest.begun_at }
      await client.query(writeRestoreState, [JSON.stringify(state)])
      await client.query('commit')
    },
  }
}

const loadTable = async (client: pg.Client, shape: TableShape, rows: AsyncIterable<Uint8Array>): Promise<number> => {
  try {
    return await copyIn(client, `copy ${copyTarget(shape)} from stdin`, rows)
  } catch (error) {
    if (error instanceof AppError) throw error
    throw new AppError('invalid', `The table ${shape.name} cannot be loaded: ${(error as Error).message}`, {
      hint: 'Check the backup with --dry-run. Nothing was written to the database.',
      cause: error,
    })
  }
}

/** Completes a loaded database: counters, rows of objects that were deleted meanwhile, and the hold. */
export const completeLoad = async (
  client: pg.Client,
  given: { sequences: readonly SequenceState[]; deleted: readonly string[]; backup: string; takenAt: string },
): Promise<void> => {
  await client.query('begin')
  await setSequences(client, given.sequences)
  if (given.deleted.length > 0) await client.query('delete from files where object = any($1)', [given.deleted])
  const state = { state: 'held', backup: given.backup, taken_at: given.takenAt }
  await client.query(writeRestoreState, [JSON.stringify(state)])
  await client.query('commit')
  await client.query('analyze')
}
