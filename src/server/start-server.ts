/** The composition of a server: settings in, a running server out. Every part receives here what it needs. */
import type { ActivityRegistry } from '../activities/activity.ts'
import { loadOwnActivities } from '../activities/own/load-own-activities.ts'
import { builtinActivities } from '../activities/registry.ts'
import { makeReadiness } from '../api/health/readiness.ts'
import { makeSignInLink } from '../api/sessions/sign-in-link.ts'
import type { Database } from '../database/database.ts'
import type { EmbeddedPostgres } from '../database/embedded.ts'
import { explainDatabase } from '../database/explain.ts'
import { keepAddress, localUrl } from '../demo/client-files.ts'
import { type FirstStart, firstStart } from '../demo/first-start.ts'
import type { Engine } from '../engine/engine.ts'
import { type Closers, makeClosers } from '../lib/closers.ts'
import type { AppError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import type { Sealer } from '../lib/secrets/crypto.ts'
import type { Settings } from '../lib/settings/config.ts'
import { now, pause } from '../lib/time.ts'
import { readLentKeys } from '../providers/lent-keys.ts'
import type { ObjectStore } from '../store/objects/objects.ts'
import { startBackgroundJobs } from './background-jobs.ts'
import { makeCancelCollectionRuns } from './cancel-collection-runs.ts'
import { checkPreconditions } from './check-preconditions.ts'
import { openInstallation } from './installation.ts'
import type { RunbookRunner } from './lazy-runbook-runner.ts'
import { reserveMetricsPort } from './metrics-port.ts'
import { type ServedHttp, serveHttp } from './serve-http.ts'
import { type CoreOptions, openCore, type ServerCore } from './server-core.ts'
import { makeTrajectories, type Trajectories } from './trajectories.ts'
import { startUpkeep } from './upkeep.ts'
import { openPages } from './web-pages.ts'

interface ServerOptions {
  settings: Settings
  log: Logger
  /** The activities of steps; tests add their own. */
  activities?: ActivityRegistry
  /** Executes runbooks. Tests replace it, so that they need no sandbox. */
  runbooks?: RunbookRunner
  /** Environment variables, for the values of keys that are lent to trials, and the credentials of a bucket. */
  variables?: Record<string, string | undefined>
  /** See `KeyRotationOptions`; tests shorten it. */
  keySettleMs?: number
  /** See `EngineOptions`; tests shorten it. */
  beatMs?: number
  /** Pause between two rounds of housekeeping; tests shorten it. */
  houseMs?: number
  /** Milliseconds since 1970 for what is due at a time, instead of the time of the database. */
  clock?: () => number
  /** The clock of this machine, which may be wrong. */
  machineClock?: () => number
  /** Folder of the built web; tests name another one. */
  webFolder?: string
}

export interface Server {
  /** URL of the API; undefined for a worker, which serves nothing. */
  url: string | undefined
  /** URL of /metrics, if it is open. */
  metricsUrl: string | undefined
  publicUrl: string
  dataDir: string
  adminToken: string
  /** Names of the keys that are lent to trials. */
  trialKeys: readonly string[]
  postgres: EmbeddedPostgres | undefined
  database: Database
  engine: Engine
  sealer: Sealer
  objects: ObjectStore
  /** The result of the first start; undefined at every later one. */
  demo: FirstStart | undefined
  /** Whether it shows pages to browsers. */
  hasPages: boolean
  /** Signs a browser in once, as the key of the first start; undefined without one, and without pages. */
  signInUrl: string | undefined
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

/** Opens the parts in the order in which they need each other; they close in the reverse one. */
const openServer = async (options: ServerOptions, closers: Closers): Promise<Server> => {
  const { settings, clock = now, beatMs, houseMs, keySettleMs } = options
  const core = await openCore(await coreOptions(options), closers)
  const { engine, database, objects } = core
  const { dataDir } = core.installation
  const readiness = makeReadiness({ ...database, engine, objects, role: settings.role, dataDir })
  const metricsPort = reserveMetricsPort(core, readiness, closers)
  const trajectories = makeTrajectories(core)
  const jobs = startBackgroundJobs({ core, documentOf: trajectories.documentOf, clock })
  let http: ServedHttp | undefined
  /** Load balancers that poll readiness get the drain time to see it change while requests are still answered. */
  const stopServing = async () => {
    readiness.drain()
    if (readiness.isWatched()) await pause(settings.drainSeconds * 1000)
    await http?.stop()
  }
  closers.add(() => engine.closeRecords())
  // In parallel: requests wait for runs and records, which end with the engine, and the drain time counts once.
  closers.add(() => Promise.all([stopServing(), jobs.stop(), engine.stop(settings.drainSeconds)]))
  const cancelRunsOf = makeCancelCollectionRuns(database.database, engine)
  const { housekeeping, keyRotation } = startUpkeep({ core, cancelRunsOf, keySettleMs, houseMs }, closers)
  const { metrics, metricsUrl } = await metricsPort.open(housekeeping)
  const { webhooks, bulkActions } = jobs
  if (settings.role !== 'worker') {
    const pages = openPages(settings, core.log, options.webFolder)
    const more = { webhooks, bulkActions, pages, beatMs }
    const parts = { core, trajectories, readiness, metrics, cancelRunsOf, clock, keyRotation, ...more }
    http = await serveHttp(parts)
    trajectories.links.publicUrl ||= http.url
  }
  if (settings.role !== 'api') webhooks.start()
  return {
    ...shown(core),
    url: http?.url,
    hasPages: http?.hasPages ?? false,
    metricsUrl,
    publicUrl: trajectories.links.publicUrl,
    ...(http ? await welcome(core, http, trajectories.links) : { demo: undefined, signInUrl: undefined }),
    close: closers.closeAll,
  }
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
  const own = settings.activitiesDir === undefined ? [] : await loadOwnActivities(settings.activitiesDir, builtin)
  const activities: ActivityRegistry = new Map([...builtin, ...own.map((one) => [one.name, one] as const)])
  return { ...options, installation: openInstallation(settings), lentKeys, activities, machineClock, variables }
}

/** Makes the demo collection at the first start, and notes the address for clients at every later one. */
const welcome = async (
  { database: { database }, engine, installation, settings }: ServerCore,
  { url, hasPages }: ServedHttp,
  links: Trajectories['links'],
) => {
  const demo = await firstStart({ database, engine, url, dataDir: installation.dataDir })
  if (!demo) await keepAddress(database, url)
  if (demo?.keyId === undefined || !hasPages) return { demo, signInUrl: undefined }
  const link = { keyId: demo.keyId, baseUrl: settings.publicUrl ? links.publicUrl : localUrl(url) }
  const { url: signInUrl } = await makeSignInLink({ database, adminToken: installation.adminToken }, link)
  return { demo, signInUrl }
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
