import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { countHeldRuns } from '../engine/leases/held-runs.ts'
import type { Closers } from '../lib/closers.ts'
import type { Logger } from '../lib/log.ts'
import type { Settings } from '../lib/settings/config.ts'
import { setClock } from '../lib/time.ts'
import { sealOldStorageInfo } from '../store/collections/collections.ts'
import { openPools, type Pools, type Queries, requireSessions } from '../store/database/database.ts'
import { type EmbeddedPostgres, startOrAdoptPostgres } from '../store/database/embedded.ts'
import { migrate } from '../store/database/migrate.ts'
import { type DatabaseWatch, watchDatabase } from '../store/database/watch.ts'
import { checkSealingKey } from '../store/secrets/server-keys.ts'
import { readRestoreState, refuseUnfinishedRestore } from '../store/system/restore-state.ts'
import type { Installation } from './installation.ts'

/** The database of a server: migrated, watched, and readable with the keys of the installation. */
export interface ServerDatabase extends Omit<Pools, 'close'> {
  /** The embedded Postgres; undefined where `DATABASE_URL` names another one. */
  postgres: EmbeddedPostgres | undefined
  watch: DatabaseWatch
  /** Statements that Postgres could not carry out, for no fault of theirs, by SQLSTATE. */
  faults: Readonly<Record<string, number>>
  /** Name of this process in the database: `local` if no other process can use it. */
  executor: string
}

export interface ConnectOptions {
  settings: Settings
  installation: Pick<Installation, 'dataDir' | 'sealer'>
  log: Logger
  machineClock: () => number
}

/** Starts the embedded Postgres or connects to the given one, migrates it, and sets the process's clock by it. */
export const connectDatabase = async (options: ConnectOptions, closers: Closers): Promise<ServerDatabase> => {
  const { settings, log, machineClock, installation } = options
  const { dataDir, sealer } = installation
  const postgres = settings.databaseUrl ? undefined : await startOrAdoptPostgres({ dataDir, logger: log })
  closers.add(() => postgres?.stop())
  let watch: DatabaseWatch | undefined
  const faults: Record<string, number> = {}
  const { close, ...pools } = openPools(
    settings.databaseUrl ?? (postgres as EmbeddedPostgres).url,
    settings.databaseConnections,
    {
      slowMs: settings.slowStatementMs,
      onSlow: (statement, ms) => log.warn({ statement, ms }, 'a statement of the database was slow'),
      onFault({ code }) {
        faults[code] = (faults[code] ?? 0) + 1
        watch?.doubt()
      },
    },
  )
  closers.add(close)
  const { database } = pools
  if (settings.databaseUrl) await requireSessions(database)
  await migrate(database, { isAlone: postgres !== undefined, log })
  // Before the look at restores: a restore that begins after that look finds the connection of the watch, and refuses.
  watch = await watchDatabase({ database, log, mostSkewMs: settings.clockSkewSeconds * 1000, machineClock })
  const { stop, clock } = watch
  closers.add(stop)
  await lookAtRestore(database, log)
  setClock(clock.now)
  await checkSealingKey(database, sealer)
  await sealOldStorageInfo(database, sealer)
  const executor = postgres ? 'local' : `${hostname()}-${randomUUID()}`
  return { ...pools, postgres, watch, faults, executor }
}

/** Refuses a database whose restore was interrupted, and says what waits in one that was restored. */
const lookAtRestore = async (database: Queries, log: Logger): Promise<void> => {
  const restore = await readRestoreState(database)
  refuseUnfinishedRestore(restore)
  if (!restore) return
  log.warn(
    { backup: restore.backup, taken_at: restore.taken_at, runs: await countHeldRuns(database) },
    'this server was restored from a backup: its open runs, routines, webhooks and retention wait for `jetty restore --go`',
  )
}
