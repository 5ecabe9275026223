import { readFileSync } from 'node:fs'
import { makeAccessWatch } from '../api/access-watch.ts'
import { makeAuditTrail } from '../api/audit/trail.ts'
import { makeAuthenticate, makeCallLimit, makeIsLimited } from '../api/authenticate.ts'
import { makePulse } from '../api/events/pulse.ts'
import { gatewayRoutes } from '../api/gateway/routes.ts'
import type { Readiness } from '../api/health/readiness.ts'
import type { McpDeps } from '../api/mcp/routes.ts'
import type { Metrics } from '../api/metrics/metrics.ts'
import { makeReference } from '../api/reference.ts'
import { type ApiDeps, apiRoutes } from '../api/routes.ts'
import { makeRunbookChat } from '../api/runbook-chat/answer.ts'
import type { SystemPort } from '../api/system/routes.ts'
import { makeShownDefinitions } from '../api/trajectories/definitions.ts'
import { type DocumentDeps, documentOf } from '../api/trajectories/documents.ts'
import { type Environments, makeEnvironments } from '../engine/environment/environments.ts'
import { type GatewayDeps, makeGateway } from '../gateway/gateway.ts'
import { makeRecorder } from '../gateway/record/recorder.ts'
import type { Pages } from '../http/pages/pages.ts'
import { connectionsFor, makeServer } from '../http/server.ts'
import type { Settings } from '../lib/settings/config.ts'
import { version } from '../lib/version.ts'
import { sandboxKinds } from '../model/runbooks/sandbox.ts'
import { catalogue } from '../providers/catalogue.ts'
import { providerHealth } from '../providers/upstream/provider-health.ts'
import { type CacheLimits, makeAnswerCache } from '../store/calls/answer-cache.ts'
import { makeSpender } from '../store/calls/budget.ts'
import { makeCallCounter, makeCallGuard, makePlaceFinder } from '../store/calls/call-guard.ts'
import { makeCollectionFinder } from '../store/collections/collections.ts'
import { makeKeyFinder, makeKeyToucher } from '../store/collections/keys.ts'
import { type Lending, makeLending } from '../store/collections/lending.ts'
import { makeSessionFinder, makeSessionToucher, takeSignInCode } from '../store/collections/sessions.ts'
import { makeFreeIds, makeTaskFinder, type RunRow } from '../store/runs/runs.ts'
import { localUrl } from './demo/first-start.ts'
import type { ServerCore } from './server-core.ts'

/** Limits of the cached model answers: number and age. */
export const answerCacheLimits = (settings: Settings): CacheLimits => ({
  seconds: settings.cacheSeconds,
  entryBytes: settings.cacheEntryBytes,
  entries: settings.cacheEntries,
  bytes: settings.cacheBytes,
})

const gatewayLimits = (settings: Settings): GatewayDeps['limits'] => ({
  tries: settings.modelTries,
  firstByteSeconds: settings.modelFirstByteSeconds,
  idleSeconds: settings.modelIdleSeconds,
  fallbackSeconds: settings.modelFallbackSeconds,
  coolDownSeconds: settings.deploymentCoolDownSeconds,
  bodyValues: settings.maxBodyValues,
  keptBytes: settings.recordedAnswerBytes,
  roomBytes: settings.openAnswersBytes,
  stalledSeconds: settings.clientStallSeconds,
})

/** Makes the gateway to models over the database and the engine of a server. */
const makeServerGateway = (
  core: ServerCore,
  lending: Lending,
  environmentOf: Environments['lending'],
  beatMs: number | undefined,
) => {
  const { settings, objects, models, pauses, quota, engine } = core
  const { database } = core.database
  const freeIds = makeFreeIds(database)
  const gateway = makeGateway({
    models,
    pauses,
    quota,
    guard: makeCallGuard(database),
    spend: makeSpender(database),
    cache: makeAnswerCache(database, answerCacheLimits(settings)),
    recorder: makeRecorder({ engine, quota, database, objects, mediaFiles: settings.mediaFiles }),
    drawTrajectoryId: freeIds.draw,
    environmentOf,
    lending,
    limits: gatewayLimits(settings),
    mostLabels: settings.maxLabelsPerRun,
    recordingRequired: settings.recordingRequired,
    ...(beatMs === undefined ? {} : { renewMs: beatMs }),
  })
  /** `drawIds` draws the first ids of calls ahead of need; it never rejects. */
  return { gateway, drawIds: freeIds.refill }
}

/** Fallback where the limit cannot be read, as on macOS. */
const usually = 10_240

/** Maximum open files and connections of this process. */
const descriptorLimit = (): number => {
  try {
    const soft = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return soft === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(soft) || usually
  } catch {
    return usually
  }
}

/** Dependencies of the trajectory document of a run; shared by routes, runbook chats and webhooks. */
export interface Trajectories extends Omit<DocumentDeps, 'database' | 'lending'> {
  links: ServerCore['links']
  lending: ReturnType<typeof makeLending>
  documentOf(run: RunRow): Promise<string>
}

export const makeTrajectories = (core: ServerCore): Trajectories => {
  const { settings, lentKeys, links } = core
  const { database } = core.database
  const definitions = makeShownDefinitions(core.programs.readThrough(database))
  const lending = makeLending({ database, sealer: core.installation.sealer, lentKeys, terms: settings })
  return {
    links,
    definitions,
    lending,
    documentOf: (run) => documentOf({ database, definitions, links, lending }, run),
  }
}

/** Sources of the facts about the server that the API shows. */
const makeSystemPort = ({ settings, installation, lentKeys, runbooks }: ServerCore): SystemPort => ({
  role: settings.role,
  slots: settings.workerConcurrency,
  dataDir: installation.dataDir,
  lentKeys: lentKeys.names,
  providers: catalogue.map(({ name, keys }) => ({ name, keys })),
  health: providerHealth,
  sandbox: {
    kind: settings.sandbox,
    isolates: sandboxKinds[settings.sandbox].isolates,
    probe: settings.role === 'api' ? undefined : runbooks.probe,
  },
  kinds: Object.entries(sandboxKinds).map(([name, { isolates, runsImages: runs_images }]) => ({
    name,
    isolates,
    runs_images,
  })),
})

/** Loads the MCP server with its first call; the server that its tools call listens later than its routes are made. */
const makeMcpLoader = () => {
  let origin = ''
  let loaded: ReturnType<McpDeps['loadMcp']> | undefined
  const open = async () => {
    const [{ makeMcpEndpoint }, { loadOperations }] = await Promise.all([
      import('../mcp/transport/answer-http.ts'),
      import('../client/load-operations.ts'),
    ])
    return makeMcpEndpoint(await loadOperations(), () => origin, `jetty-mcp/${version}`)
  }
  return {
    serveAt: (url: string) => {
      origin = localUrl(url)
    },
    load: () => {
      loaded ??= open().catch((error) => {
        loaded = undefined // the next call tries again
        throw error
      })
      return loaded
    },
  }
}

interface HttpDeps
  extends Pick<
    ApiDeps,
    'cancelRunsOf' | 'clock' | 'keyRotation' | 'webhooks' | 'bulkActions' | 'experiments' | 'hooks' | 'expressions'
  > {
  core: ServerCore
  trajectories: Trajectories
  readiness: Readiness
  metrics: Metrics
  beatMs: number | undefined
  pollBeatMs: number | undefined
  /** The pages for browsers; undefined if this server has none. */
  pages: Pages | undefined
}

export interface ServedHttp {
  url: string
  hasPages: boolean
  /** Ends calls under way within the drain time; the records of model calls end last. */
  stop(): Promise<void>
}

/** Dependencies of the authorisation of a call. */
const admission = ({ settings, installation, database: { database, urgent } }: ServerCore) => ({
  authenticate: makeAuthenticate({
    adminToken: installation.adminToken,
    findKey: makeKeyFinder(urgent),
    touchKey: makeKeyToucher(database),
    findSession: makeSessionFinder(urgent),
    touchSession: makeSessionToucher(database),
    takeCode: (hashes) => takeSignInCode(database, hashes),
    failuresPerMinute: settings.authFailuresPerMinute,
  }),
  limit: makeCallLimit({ callsPerMinute: settings.rateLimit, count: makeCallCounter(database) }),
  isLimited: makeIsLimited(settings.rateLimit),
  findCollection: makeCollectionFinder(database),
  findTask: makeTaskFinder(database),
  findPlace: makePlaceFinder(database),
})

/** The routes of the API and of the gateway, made from the same parts. */
const makeRoutes = (
  deps: HttpDeps,
  admitted: Pick<ApiDeps, 'findCollection' | 'authenticate'>,
  loadMcp: ApiDeps['loadMcp'],
  watchAccess: ApiDeps['watchAccess'],
) => {
  const { core, trajectories, readiness, metrics, beatMs, pages: _, ...jobs } = deps
  const { settings, engine, objects, pauses, quota, lentKeys, openEnvironment } = core
  const { database } = core.database
  const { sealer, adminToken } = core.installation
  const { definitions, links, lending } = trajectories
  const environmentOf = makeEnvironments({ openEnvironment, sealer, lentKeys }).lending
  const { gateway, drawIds } = makeServerGateway(core, lending, environmentOf, beatMs)
  const audit = makeAuditTrail(database)
  const pulse = makePulse({ database, engine })
  const runbookChat = makeRunbookChat({
    ...{ database, engine, sealer, lending, settings, pulse, definitions, links, audit },
    fetch: core.network.fetch,
  })
  const routes = apiRoutes({
    ...{ database, engine, sealer, lending, settings, pulse, definitions, links },
    ...jobs,
    ...makeReference({ version }),
    watchAccess,
    findCollection: admitted.findCollection,
    authenticate: admitted.authenticate,
    adminToken,
    version,
    readiness,
    metrics,
    pauses,
    quota,
    system: makeSystemPort(core),
    objects,
    buckets: core.buckets,
    callbacks: core.callbacks,
    activities: core.activities,
    models: core.models,
    checkWorkflow: engine.check,
    preflightRunbook: core.runbooks.preflight,
    environmentOf,
    loadMcp,
  })
  return { gateway, drawIds, audit, routes: [...gatewayRoutes({ gateway, runbookChat }), ...routes] }
}

/** Serves the API and the gateway, and begins to listen. */
export const serveHttp = async (deps: HttpDeps): Promise<ServedHttp> => {
  const { settings, log, objects, memory } = deps.core
  const admitted = admission(deps.core)
  const mcp = makeMcpLoader()
  const { watch } = makeAccessWatch({
    database: deps.core.database.urgent,
    onAccessChange: deps.core.access.onChange,
  })
  const { gateway, drawIds, ...routes } = makeRoutes(deps, admitted, mcp.load, watch)
  const server = makeServer({
    ...admitted,
    ...routes,
    observer: deps.metrics.observer,
    onAccessChange: deps.core.access.onChange,
    watchAccess: (identity, admittedMs, end) => watch(identity, 'less', admittedMs, end),
    files: objects,
    recorded: deps.core.engine.recorded,
    connections: settings.maxConnections ?? connectionsFor(descriptorLimit()),
    memory,
    settings,
    log,
    ...(deps.pages && { pages: deps.pages }),
  })
  await drawIds()
  const { url } = await server.listen(settings.host, settings.port)
  mcp.serveAt(url)
  return {
    url,
    hasPages: deps.pages !== undefined,
    async stop() {
      await server.close(settings.drainSeconds, gateway.end)
      await gateway.end() // calls of disconnected clients are still being recorded
    },
  }
}
