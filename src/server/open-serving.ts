import { fileURLToPath } from 'node:url'
import { findExpressionFaults, shapedText } from '../activities/shaping/shape.ts'
import { experimentWork } from '../api/experiments/plan.ts'
import { makeReadiness, type Readiness } from '../api/health/readiness.ts'
import { healthRoutes } from '../api/health/routes.ts'
import { type Metrics, makeMetrics } from '../api/metrics/metrics.ts'
import { type MetricsDeps, openMetricsRoutes } from '../api/metrics/routes.ts'
import { makeReference } from '../api/reference.ts'
import { rerunRequest } from '../api/runs/rerun-request.ts'
import { makeSignInLink } from '../api/sessions/routes.ts'
import { type BulkActionDeps, keepActing } from '../background/bulk-actions/bulk-actions.ts'
import { keepTrying } from '../background/experiments/experiments.ts'
import type { Expressions } from '../background/hooks/decide.ts'
import { keepStarting } from '../background/hooks/hooks.ts'
import { makeProviderBatches } from '../background/provider-batches/provider-batches.ts'
import { keepFiring } from '../background/routines/fire.ts'
import { makeWebhooks } from '../background/webhooks/webhooks.ts'
import type { Engine } from '../engine/engine.ts'
import type { Route } from '../http/implement.ts'
import type { HttpLog, HttpSettings } from '../http/options.ts'
import { makePages, type Pages } from '../http/pages/pages.ts'
import { readWebFiles } from '../http/pages/read-web-files.ts'
import { type HttpServer, makeServer } from '../http/server.ts'
import type { Closers } from '../lib/closers.ts'
import { AppError } from '../lib/errors.ts'
import type { Sealer } from '../lib/secrets/crypto.ts'
import type { Settings } from '../lib/settings/config.ts'
import { now, pause } from '../lib/time.ts'
import { version } from '../lib/version.ts'
import type { ActivitySettings } from '../model/workflows/activity-settings.ts'
import { catalogue } from '../providers/catalogue.ts'
import { modelCalls } from '../providers/upstream/provider-health.ts'
import { collectionWebhook } from '../store/collections/collection-webhook.ts'
import { makeSettingsReader } from '../store/collections/collections.ts'
import type { Database } from '../store/database/database.ts'
import { makeLabelChanges } from '../store/runs/labels.ts'
import { uncounted } from '../store/runs/payloads.ts'
import { makeKeyRotation } from '../store/secrets/key-rotation.ts'
import { findHomeOfTask } from '../store/tasks/tasks.ts'
import { type FirstStart, firstStart, keepAddress, localUrl } from './demo/first-start.ts'
import { activitySettings, stepResultLimits, traceSampler } from './engine-options.ts'
import {
  type CancelCollectionRuns,
  type Housekeeping,
  makeCancelCollectionRuns,
  makeHousekeeping,
} from './housekeeping.ts'
import { mayHaveSandboxes } from './lazy-runbook-runner.ts'
import { answerCacheLimits, makeTrajectories, type ServedHttp, serveHttp, type Trajectories } from './serve-http.ts'
import type { ServerCore } from './server-core.ts'
import { openCollectionExports, openMetricExport, openTraceExport } from './telemetry.ts'

/** For scrapers and load balancers. */
const openConnections = 64

/**
 * Serves /metrics and health on a port of their own, without tokens. Every client that reaches the port may read them.
 */
const makeOpenMetricsServer = (
  deps: MetricsDeps & { health: Route[]; settings: HttpSettings; log: HttpLog },
): HttpServer =>
  makeServer({
    routes: [
      ...openMetricsRoutes(deps),
      ...deps.health.filter(({ operation }) => ['getHealth', 'getReady'].includes(operation)),
    ],
    authenticate: async () => {
      throw new AppError('unauthenticated', 'This port does not accept tokens')
    },
    findCollection: async () => undefined,
    findTask: async () => undefined,
    settings: deps.settings,
    log: deps.log,
    connections: openConnections,
  })

/** Makes the requests with which bulk actions repeat runs, in the collection and task that a run belongs to now. */
const makeRerunOf = (deps: {
  database: Database
  engine: Pick<Engine, 'planRerun'>
  sealer: Pick<Sealer, 'open'>
}): BulkActionDeps['rerunOf'] => {
  const { database, sealer } = deps
  const settingsOf = makeSettingsReader(database)
  return async (source, change, author) => {
    const home = await findHomeOfTask(database, source.task_id)
    if (!home) throw new AppError('not_found', 'Its task was deleted, so the run cannot be run again')
    const { id } = home.collection
    const webhook = await collectionWebhook(database, sealer, { id, settings: await settingsOf(id) })
    const by = { author, take: uncounted }
    const request = await rerunRequest(deps, { ...home, source }, { mode: 'run', ...change }, by)
    return { ...request, ...(webhook && { webhook }) }
  }
}

/** Evaluates JSONata for hooks as steps do: in limited processes, payers in turn. */
const makeExpressions = (settings: ActivitySettings): Expressions => {
  const { transformLimits: limits } = settings
  const unstopped = new AbortController().signal
  return {
    evaluate: async (owner, { expression, input, what }) => {
      const scope = { owner, limits, signal: unstopped }
      return JSON.parse(await shapedText({ kind: 'transform', expression, input }, what, scope)) as unknown
    },
    faults: async (owner, expressions) => (await findExpressionFaults(expressions, { owner, settings })).faults,
  }
}

/** Starts routines, hooks and bulk actions, and makes the sender of webhooks, which begins with `webhooks.start()`. */
const startBackgroundJobs = (core: ServerCore, documentOf: Trajectories['documentOf'], clock: () => number) => {
  const { settings, engine, log } = core
  const { database, watch } = core.database
  const { sealer } = core.installation
  const webhooks = makeWebhooks({
    database,
    sealer,
    open: core.network.open,
    documentOf,
    linkTo: (path) => `${core.links.publicUrl}/${path}`,
    traceSampler: traceSampler(settings),
    clock,
    concurrency: settings.webhookConcurrency,
    mostBytes: settings.webhookBytes,
    timeoutSeconds: settings.webhookTimeoutSeconds,
    lookFor: engine.lookFor,
    log,
  })
  const stopRoutines = keepFiring({
    database,
    engine,
    sealer,
    clock,
    mayFire: () => !watch.clock.isSkewed,
    limits: { graceMs: settings.routineGraceSeconds * 1000, mostCaughtUp: settings.routineCatchUp },
    log,
  })
  const bulkActions = keepActing({
    database,
    objects: core.objects,
    engine,
    labels: makeLabelChanges(database, { most: settings.maxLabelsPerRun }),
    mostLabels: settings.maxLabelsPerRun,
    rerunOf: makeRerunOf({ database, engine, sealer }),
    clock,
    log,
  })
  const experiments = keepTrying({ database, engine, log, ...experimentWork({ database, engine }) })
  const expressions = makeExpressions(activitySettings(settings))
  const hooks = keepStarting({
    ...{ database, engine, sealer, expressions, clock, log },
    initParamsBytes: settings.maxInitParamsBytes,
  })
  return {
    webhooks,
    bulkActions,
    experiments,
    hooks,
    expressions,
    /** Starts no new work. Resolves when work under way has ended, or after the drain time. */
    stop: () =>
      Promise.all([
        stopRoutines(),
        bulkActions.stop(),
        experiments.stop(),
        hooks.stop(),
        webhooks.stop(settings.drainSeconds),
      ]),
  }
}

/** Removes the sandboxes of dead processes, where this process may have had some. */
const makeReaper =
  ({ settings, installation, runbooks, log }: ServerCore) =>
  async () => {
    if (!mayHaveSandboxes(settings, installation.dataDir)) return
    const count = await runbooks.reap()
    if (count > 0) log.warn({ count }, 'sandboxes of processes that are gone were removed')
  }

/** Makes what keeps an installation tidy: sandboxes of dead processes, housekeeping, a change of the encryption key. */
const startUpkeep = (
  core: ServerCore,
  cancelRunsOf: CancelCollectionRuns,
  { keySettleMs, houseMs }: ServingOptions,
  closers: Closers,
) => {
  const { settings, log, installation, objects, engine } = core
  const { database } = core.database
  const reapSandboxes = makeReaper(core)
  void reapSandboxes().catch((error) =>
    log.warn({ err: error }, 'sandboxes of processes that are gone could not be removed'),
  )
  const housekeeping = makeHousekeeping({
    database,
    objects,
    cancelRunsOf,
    reapSandboxes,
    answers: answerCacheLimits(settings),
    stepResults: stepResultLimits(settings),
    hookDeliveries: { days: settings.hookKeepDays, most: settings.hookKept, bytes: settings.hookKeptBytes },
    auditDays: settings.auditDays,
    orphanDays: settings.orphanDays,
    log,
    everyMs: houseMs,
  })
  closers.add(() => housekeeping.stop())
  const keyRotation = makeKeyRotation({
    database,
    sealer: installation.sealer,
    home: installation.keyHome,
    log,
    settled: () => engine.settled(),
    ...(keySettleMs === undefined ? {} : { settleMs: keySettleMs }),
  })
  closers.add(() => keyRotation.stop())
  return { housekeeping, keyRotation }
}

/**
 * Takes a place in the order of closing for a port that opens later: it stays open until everything registered after it
 * has closed, so that load balancers read "not ready" meanwhile.
 */
const reserveMetricsPort = (core: ServerCore, readiness: Readiness, closers: Closers) => {
  const { settings, engine, loop, log } = core
  const { database, watch, faults } = core.database
  let close = async () => {}
  closers.add(() => close())

  const listen = async (metrics: Metrics) => {
    if (settings.metricsPort === undefined) return undefined
    const health = healthRoutes({ database, readiness, version, ...makeReference({ version }) })
    const server = makeOpenMetricsServer({ metrics, health, settings, log })
    close = () => server.close(0)
    return (await server.listen(settings.host, settings.metricsPort, 'JETTY_METRICS_PORT')).url
  }
  return {
    /** Begins to count, and to listen where `JETTY_METRICS_PORT` is set. */
    async open(house: Housekeeping) {
      const { role, workerConcurrency: slots } = settings
      const calls = { providers: catalogue.map(({ name }) => name), models: modelCalls }
      const metrics = makeMetrics({ database, watch, faults, house, engine, calls, loop, version, role, slots })
      closers.add(() => metrics.stop())
      return { metrics, metricsUrl: await listen(metrics) }
    },
  }
}

/** Where the build puts the pages, seen from src and from dist. */
const builtFolder = fileURLToPath(new URL('../../dist/web', import.meta.url))

/** Reads the pages that this server shows; undefined when it shall not, or when they were not built. */
const openPages = (
  { web, role }: Pick<Settings, 'web' | 'role'>,
  log: Pick<HttpLog, 'warn'>,
  folder = builtFolder,
): Pages | undefined => {
  if (!web || role === 'worker') return undefined
  const files = readWebFiles(folder)
  if (!files) log.warn({ folder }, 'there are no pages: the web was not built')
  return files && makePages(files)
}

export interface ServingOptions {
  /** See `KeyRotationOptions`; tests shorten it. */
  keySettleMs?: number
  /** See `EngineOptions`; tests shorten it. */
  beatMs?: number
  /** Interval of line breaks in long polls of workers; tests shorten it. */
  pollBeatMs?: number
  /** Pause between two rounds of housekeeping; tests shorten it. */
  houseMs?: number
  /** Milliseconds since 1970 for what is due at a time, instead of the time of the database. */
  clock?: () => number
  /** Folder of the built web; tests name another one. */
  webFolder?: string
}

/** What a server shows of the parts behind its engine. */
export interface Serving {
  /** URL of the API; undefined for a worker, which serves nothing. */
  url: string | undefined
  /** URL of /metrics, if it is open. */
  metricsUrl: string | undefined
  publicUrl: string
  /** The result of the first start; undefined at every later one. */
  demo: FirstStart | undefined
  /** Whether it shows pages to browsers. */
  hasPages: boolean
  /** Makes a link that signs a browser in once, as the key of the first start; undefined without one, and without pages. */
  makeSignInUrl: (() => Promise<string>) | undefined
}

/** Opens the parts behind the engine in the order in which they need each other; they close in the reverse one. */
export const openServing = async (core: ServerCore, options: ServingOptions, closers: Closers): Promise<Serving> => {
  const { clock = now, beatMs, pollBeatMs } = options
  const { settings, engine, database, objects } = core
  const { dataDir } = core.installation
  const readiness = makeReadiness({ ...database, ...settings, engine, objects, dataDir })
  const metricsPort = reserveMetricsPort(core, readiness, closers)
  const trajectories = makeTrajectories(core)
  const jobs = startBackgroundJobs(core, trajectories.documentOf, clock)
  const traceExport = await openTraceExport(core)
  const collectionExports = openCollectionExports(core)
  const providerBatches = makeProviderBatches({
    database: database.database,
    models: core.models,
    sealer: core.installation.sealer,
    limits: {
      requests: settings.economyRequests,
      bytes: settings.economyBytes,
      pollSeconds: settings.economyPollSeconds,
    },
    lookFor: engine.lookFor,
    log: core.log,
  })
  let http: ServedHttp | undefined
  /** Load balancers that poll readiness get the drain time to see it change while requests are still answered. */
  const stopServing = async () => {
    readiness.drain()
    if (readiness.isWatched()) await pause(settings.drainSeconds * 1000)
    await http?.stop()
  }
  let retired: Promise<unknown> | undefined
  const retire = () => {
    const { drainSeconds } = settings
    retired ??= Promise.all([
      ...[jobs.stop(), traceExport?.stop(drainSeconds), collectionExports.stop(drainSeconds)],
      ...[providerBatches.stop(), engine.stop(drainSeconds)],
    ])
    return retired
  }
  let metricExport: Awaited<ReturnType<typeof openMetricExport>>
  closers.add(() => metricExport?.stop()) // after the last runs, so that their ends are in the last figures
  closers.add(() => engine.closeRecords())
  // In parallel: requests wait for runs and records, which end with the engine, and the drain time counts once.
  closers.add(() => Promise.all([stopServing(), retire()]))
  // Its runs go on in a process of the new version. Then nothing here touches a schema that it does not know.
  database.watch.onUpgrade((reason) => void retire().finally(() => database.database.refuse(reason)))
  const cancelRunsOf = makeCancelCollectionRuns(database.database, engine)
  const { housekeeping, keyRotation } = startUpkeep(core, cancelRunsOf, options, closers)
  const { metrics, metricsUrl } = await metricsPort.open(housekeeping)
  metricExport = await openMetricExport(core, metrics)
  const { stop: _, ...jobsOfApi } = jobs
  if (settings.role !== 'worker') {
    const pages = openPages(settings, core.log, options.webFolder)
    const served = { ...jobsOfApi, pages, cancelRunsOf, clock, keyRotation, beatMs, pollBeatMs }
    http = await serveHttp({ core, trajectories, readiness, metrics, ...served })
    trajectories.links.publicUrl ||= http.url
  }
  const welcomed = http ? await welcome(core, http, trajectories.links) : { demo: undefined, makeSignInUrl: undefined }
  // Last: beside other statements each would open a connection of its own.
  housekeeping.begin()
  if (settings.role !== 'api') {
    jobs.webhooks.start()
    traceExport?.start()
    collectionExports.start()
    providerBatches.start()
  }
  const { publicUrl } = trajectories.links
  return { url: http?.url, hasPages: http?.hasPages ?? false, metricsUrl, publicUrl, ...welcomed }
}

/** Makes the demo collection at the first start, and notes the address for clients at every later one. */
const welcome = async (
  { database: { database }, engine, installation, settings }: ServerCore,
  { url, hasPages }: ServedHttp,
  links: Trajectories['links'],
) => {
  const demo = await firstStart({ database, engine, url, dataDir: installation.dataDir })
  if (!demo) await keepAddress(database, url)
  if (demo?.keyId === undefined || !hasPages) return { demo, makeSignInUrl: undefined }
  const { adminToken } = installation
  const link = { keyId: demo.keyId, baseUrl: settings.publicUrl ? links.publicUrl : localUrl(url) }
  return { demo, makeSignInUrl: async () => (await makeSignInLink({ database, adminToken }, link)).url }
}
