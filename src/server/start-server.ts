/** The composition of a server: settings in, a running server out. Every part receives here what it needs. */
import type { ActivityRegistry } from '../activities/activity.ts'
import { builtinActivities } from '../activities/registry.ts'
import type { Engine } from '../engine/engine.ts'
import { checkAddress } from '../http/listen-address.ts'
import { type Closers, makeClosers } from '../lib/closers.ts'
import { AppError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import type { Sealer } from '../lib/secrets/crypto.ts'
import type { Settings } from '../lib/settings/config.ts'
import { readLentKeys } from '../providers/lent-keys.ts'
import { explainDatabase } from '../store/database/away.ts'
import type { Database } from '../store/database/database.ts'
import type { EmbeddedPostgres } from '../store/database/embedded.ts'
import type { ObjectStore } from '../store/objects/objects.ts'
import { openInstallation } from './installation.ts'
import type { RunbookRunner } from './lazy-runbook-runner.ts'
import type { Serving, ServingOptions } from './open-serving.ts'
import { type CoreOptions, openCore, type ServerCore } from './server-core.ts'

/** Throws what keeps a server with these settings from starting, before anything is opened. */
const checkPreconditions = async (settings: Settings): Promise<void> => {
  if (settings.role !== 'all' && !settings.databaseUrl) {
    throw new AppError('invalid', `JETTY_ROLE=${settings.role} needs a database that other processes share`, {
      hint: 'Set DATABASE_URL, for example DATABASE_URL=postgres://jetty:password@localhost:5432/jetty',
    })
  }
  if (settings.role !== 'worker') await checkAddress(settings.host, settings.port)
  if (settings.metricsPort !== undefined) {
    await checkAddress(settings.host, settings.metricsPort, 'JETTY_METRICS_PORT')
  }
}

interface ServerOptions extends ServingOptions {
  settings: Settings
  log: Logger
  /** The activities of steps; tests add their own. */
  activities?: ActivityRegistry
  /** Executes runbooks. Tests replace it, so that they need no sandbox. */
  runbooks?: RunbookRunner
  /** Environment variables, for the values of keys that are lent to trials, and the credentials of a bucket. */
  variables?: Record<string, string | undefined>
  /** The clock of this machine, which may be wrong. */
  machineClock?: () => number
}

export interface Server extends Serving {
  dataDir: string
  adminToken: string
  /** Names of the keys that are lent to trials. */
  trialKeys: readonly string[]
  postgres: EmbeddedPostgres | undefined
  database: Database
  engine: Engine
  sealer: Sealer
  objects: ObjectStore
  /** Resolves when another server has taken the data folder: end the process, without closing. */
  lost: Promise<AppError> | undefined
  /** Stops in order: no new calls, steps drained and handed over, Postgres last. */
  close(): Promise<void>
}

/** Starts a server of the role in its settings. Rejects with an error that says what to change. */
export const startServer = async (options: ServerOptions): Promise<Server> => {
  const closers = makeClosers()
  try {
    return await openServer(options, closers)
  } catch (error) {
    await closers.closeAll().catch(() => {})
    throw options.settings.databaseUrl ? explainDatabase(error) : error
  }
}

/**
 * Opens the core, with which runs that were under way go on at once, and then the rest: its modules take as long to load
 * as those of the core.
 */
const openServer = async (options: ServerOptions, closers: Closers): Promise<Server> => {
  const core = await openCore(await coreOptions(options), closers)
  const { openServing } = await import('./open-serving.ts')
  return { ...shown(core), ...(await openServing(core, options, closers)), close: closers.closeAll }
}

/** Checks the settings before anything is opened, and opens the data folder. */
const coreOptions = async (options: ServerOptions): Promise<CoreOptions> => {
  const {
    settings,
    variables = process.env,
    machineClock = Date.now,
    activities: builtin = builtinActivities,
  } = options
  const lentKeys = readLentKeys(settings.trialKeys, (name) => variables[name])
  await checkPreconditions(settings)
  const activities = settings.activitiesDir === undefined ? builtin : await withOwn(settings.activitiesDir, builtin)
  return { ...options, installation: openInstallation(settings), lentKeys, activities, machineClock, variables }
}

const withOwn = async (folder: string, builtin: ActivityRegistry): Promise<ActivityRegistry> => {
  const { loadOwnActivities } = await import('../activities/own/load-own-activities.ts')
  return new Map([...builtin, ...(await loadOwnActivities(folder, builtin)).map((one) => [one.name, one] as const)])
}

/** The parts that a server shows to its process and to tests. */
const shown = ({ installation, lentKeys, database, engine, objects }: ServerCore) => ({
  dataDir: installation.dataDir,
  adminToken: installation.adminToken,
  sealer: installation.sealer,
  trialKeys: lentKeys.names,
  postgres: database.postgres,
  lost: database.postgres?.lost,
  database: database.database,
  engine,
  objects,
})
