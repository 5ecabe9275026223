/** The composition root: settings in, a running server out. Everything else receives what it needs from here. */

import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { ActivityRegistry } from './activities/activity.ts'
import { builtinActivities } from './activities/registry.ts'
import { makeAuditTrail } from './api/audit/trail.ts'
import { makeAuthenticate } from './api/authenticate.ts'
import { makeCallLimit, makeIsLimited } from './api/call-limit.ts'
import { makePulse } from './api/events/pulse.ts'
import { gatewayRoutes } from './api/gateway/routes.ts'
import { makeReadiness } from './api/health/readiness.ts'
import { healthRoutes } from './api/health/routes.ts'
import { makeMetrics } from './api/metrics/metrics.ts'
import { makeOpenMetricsServer } from './api/metrics/open-server.ts'
import { makeReference } from './api/reference.ts'
import { apiRoutes } from './api/routes.ts'
import { makeRunbookChat } from './api/runbook-chat/answer.ts'
import { makeShownDefinitions } from './api/trajectories/definitions.ts'
import { documentOf } from './api/trajectories/documents.ts'
import { shareConnections } from './database/connection-shares.ts'
import { adminTokenOf, prepareDataFolder, secretKeysOf, writeSecretKeys } from './database/data-folder.ts'
import type { Database } from './database/database.ts'
import { type EmbeddedPostgres, startOrAdoptPostgres } from './database/embedded.ts'
import { explainDatabase } from './database/explain.ts'
import { migrate } from './database/migrate.ts'
import { requireSessions } from './database/pooler.ts'
import { openPools } from './database/pools.ts'
import { watchDatabase } from './database/watch.ts'
import { keepAddress } from './demo/client-files.ts'
import { type FirstStart, firstStart } from './demo/first-start.ts'
import type { Engine } from './engine/engine.ts'
import { makeEnvironments } from './engine/environment/environments.ts'
import { engineMigrations } from './engine/leases/dbos.ts'
import { startEngine } from './engine/make-engine.ts'
import { compileWorkflow } from './engine/program/program.ts'
import { makeGateway } from './gateway/gateway.ts'
import { makeRecorder } from './gateway/record/recorder.ts'
import { keepHouse } from './housekeeping.ts'
import { connectionsFor } from './http/connection-limit.ts'
import { checkAddress, makeServer } from './http/server.ts'
import { descriptorLimit } from './lib/descriptors.ts'
import { AppError } from './lib/errors.ts'
import type { Logger } from './lib/log.ts'
import { defaultInFlightBytes, makeByteBudget } from './lib/memory/byte-budget.ts'
import { makeSealer, type Sealer } from './lib/secrets/crypto.ts'
import type { Settings } from './lib/settings/config.ts'
import { now, pause, setClock } from './lib/time.ts'
import { version } from './lib/version.ts'
import type { Workflow } from './model/workflows/workflow.ts'
import { callWithFallback } from './providers/fallback.ts'
import { readLentKeys } from './providers/lent-keys.ts'
import { keepFiring } from './routines/keep-firing.ts'
import { checkWith, type RunbookRunner, runbooksOnDemand } from './runbooks-on-demand.ts'
import { type CacheLimits, makeAnswerCache } from './store/calls/answer-cache.ts'
import { makeSpender } from './store/calls/budget.ts'
import { makeCallGuard } from './store/calls/call-guard.ts'
import { makePlaceFinder } from './store/calls/call-places.ts'
import { makeCallCounter } from './store/calls/call-windows.ts'
import { sealOldStorageInfo } from './store/collections/collection-storage.ts'
import { makeCollectionFinder } from './store/collections/collections.ts'
import { readEnvironmentVersion } from './store/collections/environments.ts'
import { makeKeyFinder, makeKeyToucher } from './store/collections/keys.ts'
import { makeLending } from './store/collections/lending.ts'
import { makeQuota } from './store/collections/quota.ts'
import { claimFolder, identifyDatabase } from './store/installation.ts'
import { openDiskObjects } from './store/objects/disk.ts'
import type { ObjectStore } from './store/objects/objects.ts'
import { folderId } from './store/objects/owner.ts'
import { makeFreeIds } from './store/runs/free-ids.ts'
import { activeRunsOf, definitionText, makeTaskFinder } from './store/runs/runs.ts'
import type { ResultLimits } from './store/runs/step-results.ts'
import { type KeyHome, makeKeyRotation } from './store/secrets/key-rotation.ts'
import { checkSealingKey } from './store/secrets/sealing-key.ts'
import { lazyWayOut, modelsFor } from './ways-out.ts'
import { makeWebhooks } from './webhooks/webhooks.ts'

export interface ServerOptions {
  settings: Settings
  log: Logger
  /** What steps can do; the tests add activities of their own. */
  activities?: ActivityRegistry
  /** What carries runbooks out; the tests have one that needs no sandbox. */
  runbooks?: RunbookRunner
  /** Where the keys stand that are lent to trials. */
  variables?: Record<string, string | undefined>
  /** See `KeyRotationOptions`; the tests wait less. */
  keySettleMs?: number
  /** See `EngineOptions`; the tests beat more often. */
  beatMs?: number
  /** How often it tidies up; the tests do more often. */
  houseMs?: number
  /** Milliseconds since 1970, for what is due at a time, instead of the time of the database. */
  clock?: () => number
  /** The clock of this machine, which may be wrong. */
  machineClock?: () => number
}

export interface Server {
  /** Where the API answers; undefined for a worker, which serves nothing. */
  url: string | undefined
  /** Where /metrics is open, if it is. */
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
  /** What a new server was given at its first start; undefined at every later one. */
  demo: FirstStart | undefined
  /** Resolves when another server has taken the data folder: end the process, without closing. */
  lost: Promise<AppError> | undefined
  /** Stops in order: no new calls, steps drained and handed over, Postgres last. */
  close(): Promise<void>
}

/** Starts everything that the role asks for. Rejects with a text that says what to change when something is not right. */
export const startServer = async ({
  settings,
  log,
  activities = builtinActivities,
  runbooks: givenRunbooks,
  keySettleMs,
  beatMs,
  houseMs,
  variables = process.env,
  clock = now,
  machineClock = Date.now,
}: ServerOptions): Promise<Server> => {
  if (settings.role !== 'all' && !settings.databaseUrl) {
    throw new AppError('invalid', `JETTY_ROLE=${settings.role} needs a database that other processes share`, {
      hint: 'Set DATABASE_URL, for example DATABASE_URL=postgres://jetty:password@localhost:5432/jetty',
    })
  }
  const lentKeys = readLentKeys(settings.trialKeys, (name) => variables[name])
  if (settings.role !== 'worker') await checkAddress(settings.host, settings.port)
  if (settings.metricsPort !== undefined) {
    await checkAddress(settings.host, settings.metricsPort, 'JETTY_METRICS_PORT')
  }
  const dataDir = prepareDataFolder(settings.dataDir)
  const adminToken = settings.adminToken ?? adminTokenOf(dataDir)
  const sealer = makeSealer(settings.secretKeys ?? secretKeysOf(dataDir))
  const postgres = settings.databaseUrl ? undefined : await startOrAdoptPostgres({ dataDir, logger: log })
  // Nothing below this line knows which of the two it is.
  const shares = shareConnections(settings.databaseConnections)
  const pools = openPools(settings.databaseUrl ?? (postgres as EmbeddedPostgres).url, shares, {
    slowMs: settings.slowStatementMs,
    onSlow: (statement, ms) => log.warn({ statement, ms }, 'a statement of the database was slow'),
  })
  const { database, bulk, urgent } = pools
  const executor = postgres ? 'local' : `${hostname()}-${randomUUID()}`
  const closers: (() => Promise<unknown>)[] = [() => pools.close(), async () => postgres?.stop()]
  const closeAll = async () => {
    for (const close of closers) await close()
  }
  try {
    if (settings.databaseUrl) await requireSessions(database)
    await migrate(database, engineMigrations(database.url))
    const mostSkewMs = settings.clockSkewSeconds * 1000
    const watch = await watchDatabase({ database, log, mostSkewMs, machineClock })
    closers.unshift(() => watch.stop())
    setClock(watch.clock.now)
    await checkSealingKey(database, sealer)
    await sealOldStorageInfo(database, sealer)
    const objects = await openFiles(database, join(dataDir, 'files'))
    const guardedPorts = [postgres?.port, settings.metricsPort].filter((port) => port !== undefined)
    const models = modelsFor(settings, lentKeys, guardedPorts)
    const memory = makeByteBudget(settings.inFlightBytes ?? defaultInFlightBytes())
    const openEnvironment = async (id: number) => Object.fromEntries(await readEnvironmentVersion(database, sealer, id))
    const toNetwork = lazyWayOut({
      allowPrivateNetwork: settings.allowPrivateNetwork,
      maxBytes: settings.maxFetchBytes,
      timeoutSeconds: settings.fetchTimeoutSeconds,
      guardedPorts,
    })
    const runbooks =
      givenRunbooks ??
      runbooksOnDemand(async () => {
        const { makeRunbookRunner } = await import('./runbook-runner.ts')
        return makeRunbookRunner({ settings, dataDir, models, log })
      }, settings.role === 'api')
    closers.unshift(() => runbooks.close()) // after the engine: it stops those that go on
    const quota = makeQuota(database, { bytes: settings.collectionBytes, runs: settings.collectionRuns }, log)
    closers.unshift(() => quota.stop()) // after the engine, which still adds
    const stepResults: ResultLimits = { days: settings.stepCacheDays, entries: settings.stepCacheEntries }
    const engine = await startEngine({
      database,
      watch,
      libraryConnections: shares.library,
      bulk,
      urgent,
      executor,
      role: settings.role,
      activities,
      objects,
      fetch: toNetwork.fetch,
      models: { ...models, chat: callWithFallback(models.call, settings.modelFallbackSeconds) },
      carryOutRunbook: runbooks.carryOut,
      checkRunbook: checkWith(runbooks.preflight),
      activitySettings: {
        modelFileBytes: settings.modelFileBytes,
        mediaFiles: settings.mediaFiles,
        geminiImageModel: settings.geminiImageModel,
        initParamsBytes: settings.maxInitParamsBytes,
        loopTurns: settings.loopTurns,
        sequenceNumbers: settings.sequenceNumbers,
      },
      openEnvironment,
      lentKeys,
      sealer,
      quota,
      limits: {
        concurrency: settings.workerConcurrency,
        stepTimeoutSeconds: settings.stepTimeoutSeconds,
        runTimeoutSeconds: settings.runTimeoutSeconds,
        maxOutputBytes: settings.maxOutputBytes,
        parallelSteps: settings.parallelSteps,
        stepAttempts: settings.stepAttempts,
        maxLabelsPerRun: settings.maxLabelsPerRun,
        maxFanOut: settings.maxFanOut,
        maxRunDepth: settings.maxRunDepth,
        maxRunRecursion: settings.maxRunRecursion,
        maxOpenBelow: settings.maxOpenBelow,
        maxOpenStarted: settings.maxOpenStarted,
        runbookEvents: settings.runbookEvents,
      },
      memory,
      stepResults,
      spill: { folder: join(dataDir, 'spill'), maxBytes: settings.spillBytes },
      ...(beatMs === undefined ? {} : { beatMs }),
      log,
    })
    const cancelRunsOf = async (collectionId: number): Promise<number> => {
      const active = await activeRunsOf(database, collectionId)
      if (active.length > 0) await engine.requestEnd(active, 'cancelled')
      return active.length
    }
    const answerCache: CacheLimits = {
      seconds: settings.cacheSeconds,
      entryBytes: settings.cacheEntryBytes,
      entries: settings.cacheEntries,
      bytes: settings.cacheBytes,
    }
    const links = { publicUrl: settings.publicUrl ?? '' } // completed once the port is known
    const definitions = makeShownDefinitions(
      (hash) => definitionText(database, hash),
      (text) => compileWorkflow(JSON.parse(text) as Workflow, activities),
    )
    const lending = makeLending({ database, sealer, lentKeys, terms: settings })
    const webhooks = makeWebhooks({
      database,
      sealer,
      open: toNetwork.open,
      documentOf: (run) => documentOf({ database, definitions, links, lending }, run),
      clock,
      concurrency: settings.webhookConcurrency,
      mostBytes: settings.webhookBytes,
      timeoutSeconds: settings.webhookTimeoutSeconds,
      lookFor: engine.lookFor,
      log,
    })
    const missing = { graceMs: settings.routineGraceSeconds * 1000, mostCaughtUp: settings.routineCatchUp }
    const stopFiring = keepFiring({
      database,
      engine,
      sealer,
      clock,
      mayFire: () => !watch.clock.isSkewed,
      limits: missing,
      log,
    })
    const readiness = makeReadiness({ watch, engine, role: settings.role, dataDir })
    /** Where a load balancer looks, it gets the time to see that this process is stopping while it still answers. */
    const untilSeen = async () => {
      readiness.drain()
      if (readiness.isWatched()) await pause(settings.drainSeconds * 1000)
    }
    let stopServing = async () => {}
    let closeOpenPort = async () => {}
    closers.unshift(() => closeOpenPort()) // it says "not ready" until all has ended
    closers.unshift(() => engine.closeRecords())
    // All at once: what waits for a run, or for one to be written down, ends with it, and steps get their time only once.
    closers.unshift(() =>
      Promise.all([
        untilSeen().then(() => stopServing()),
        stopFiring(),
        engine.stop(settings.drainSeconds),
        webhooks.stop(settings.drainSeconds),
      ]),
    )
    const { role, workerConcurrency: slots } = settings
    const reapSandboxes = async () => {
      if (role === 'api' || !mayHaveSandboxes(settings, dataDir)) return
      const count = await runbooks.reap()
      if (count > 0) log.warn({ count }, 'sandboxes of processes that are gone were removed')
    }
    void reapSandboxes().catch((error) =>
      log.warn({ err: error }, 'sandboxes of processes that are gone could not be removed'),
    )
    const { auditDays, orphanDays } = settings
    const limits = { answers: answerCache, stepResults, auditDays, orphanDays }
    const house = keepHouse(database, objects, cancelRunsOf, limits, reapSandboxes, log, houseMs)
    closers.unshift(() => house.stop())
    const keyRotation = makeKeyRotation({
      database,
      sealer,
      home: keyHome(settings, dataDir),
      log,
      settled: () => engine.settled(),
      ...(keySettleMs === undefined ? {} : { settleMs: keySettleMs }),
    })
    closers.unshift(() => keyRotation.stop())
    const metrics = makeMetrics({ database, watch, house, engine, version, role, slots })
    closers.unshift(async () => metrics.stop())
    const reference = makeReference({ version })
    let metricsUrl: string | undefined
    if (settings.metricsPort !== undefined) {
      const open = makeOpenMetricsServer({
        metrics,
        health: healthRoutes({ database, readiness, version, ...reference }),
        settings,
        log,
      })
      closeOpenPort = () => open.close(0)
      metricsUrl = (await open.listen(settings.host, settings.metricsPort, 'JETTY_METRICS_PORT')).url
    }
    const trialKeys = lentKeys.names
    const base = {
      dataDir,
      trialKeys,
      adminToken,
      postgres,
      lost: postgres?.lost,
      database,
      engine,
      sealer,
      objects,
      metricsUrl,
      close: closeAll,
    }
    if (settings.role === 'worker') {
      webhooks.start()
      return { ...base, url: undefined, publicUrl: settings.publicUrl ?? '', demo: undefined }
    }

    const pulse = makePulse({ database, engine })
    const findCollection = makeCollectionFinder(database)
    const environments = makeEnvironments({ openEnvironment, sealer, lentKeys })
    const freeIds = makeFreeIds(database)
    void freeIds.refill()
    const gateway = makeGateway({
      models,
      quota,
      guard: makeCallGuard(database),
      spend: makeSpender(database),
      cache: makeAnswerCache(database, answerCache),
      recorder: makeRecorder({ engine, quota, database, objects, mediaFiles: settings.mediaFiles }),
      drawTrajectoryId: freeIds.draw,
      environmentOf: environments.lending,
      lending,
      limits: {
        tries: settings.modelTries,
        firstByteSeconds: settings.modelFirstByteSeconds,
        idleSeconds: settings.modelIdleSeconds,
        fallbackSeconds: settings.modelFallbackSeconds,
        keptBytes: settings.recordedAnswerBytes,
        roomBytes: settings.openAnswersBytes,
        stalledSeconds: settings.clientStallSeconds,
      },
      recordingRequired: settings.recordingRequired,
      ...(beatMs === undefined ? {} : { renewMs: beatMs }),
    })
    const audit = makeAuditTrail(database)
    const runbookChat = makeRunbookChat({
      database,
      engine,
      sealer,
      lending,
      settings,
      pulse,
      definitions,
      links,
      audit,
      fetch: toNetwork.fetch,
    })
    const server = makeServer({
      socketRoutes: gatewayRoutes({ gateway, runbookChat }),
      routes: apiRoutes({
        database,
        sealer,
        readiness,
        version,
        ...reference,
        metrics,
        keyRotation,
        lending,
        quota,
        settings,
        engine,
        pulse,
        objects,
        activities,
        models,
        findCollection,
        cancelRunsOf,
        checkWorkflow: engine.check,
        definitions,
        links,
        clock,
        webhooks,
        preflightRunbook: runbooks.preflight,
        environmentOf: environments.lending,
      }),
      authenticate: makeAuthenticate({
        adminToken,
        findKey: makeKeyFinder(urgent),
        touchKey: makeKeyToucher(database),
        failuresPerMinute: settings.authFailuresPerMinute,
      }),
      limit: makeCallLimit({ callsPerMinute: settings.rateLimit, count: makeCallCounter(database) }),
      isLimited: makeIsLimited(settings.rateLimit),
      audit,
      observer: metrics.observer,
      findCollection,
      findTask: makeTaskFinder(database),
      findPlace: makePlaceFinder(database),
      files: objects,
      connections: settings.maxConnections ?? connectionsFor(descriptorLimit()),
      memory,
      settings,
      log,
    })
    const { url } = await server.listen(settings.host, settings.port)
    links.publicUrl ||= url
    if (role === 'all') webhooks.start()
    stopServing = async () => {
      await server.close(settings.drainSeconds, gateway.end)
      await gateway.end() // some have no client any more
    }
    const demo = await firstStart({ database, engine, url, dataDir })
    if (!demo) await keepAddress(database, url)
    return { ...base, url, publicUrl: links.publicUrl, demo }
  } catch (error) {
    await closeAll().catch(() => {})
    throw settings.databaseUrl ? explainDatabase(error) : error
  }
}

/** The files of this database, which the folder has to be. */
const openFiles = async (database: Database, folder: string): Promise<ObjectStore> => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  await claimFolder(database, { id: folderId(folder), path: folder })
  return openDiskObjects(folder, () => identifyDatabase(database))
}

/** A server that has had none does not load what makes them. */
const mayHaveSandboxes = (settings: Settings, dataDir: string): boolean =>
  ['docker', 'podman'].includes(settings.sandbox) || existsSync(settings.sandboxDir ?? join(dataDir, 'sandboxes'))

/** Who may change the encryption key: this process itself only where nobody else could have it. */
const keyHome = (settings: Settings, dataDir: string): KeyHome => {
  if (settings.secretKeys) return { kind: 'setting' }
  if (settings.databaseUrl) return { kind: 'shared_file' }
  return { kind: 'file', read: () => secretKeysOf(dataDir), write: (keys) => writeSecretKeys(dataDir, keys) }
}
