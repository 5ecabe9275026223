import { makeReadiness } from '../api/health/readiness.ts'
import { makeSignInLink } from '../api/sessions/sign-in-link.ts'
import type { Closers } from '../lib/closers.ts'
import { now, pause } from '../lib/time.ts'
import { startBackgroundJobs } from './background-jobs.ts'
import { makeCancelCollectionRuns } from './cancel-collection-runs.ts'
import { keepAddress, localUrl } from './demo/client-files.ts'
import { type FirstStart, firstStart } from './demo/first-start.ts'
import { reserveMetricsPort } from './metrics-port.ts'
import { type ServedHttp, serveHttp } from './serve-http.ts'
import type { ServerCore } from './server-core.ts'
import { makeTrajectories, type Trajectories } from './trajectories.ts'
import { startUpkeep } from './upkeep.ts'
import { openPages } from './web-pages.ts'

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
  const { clock = now, beatMs, pollBeatMs, houseMs, keySettleMs } = options
  const { settings, engine, database, objects } = core
  const { dataDir } = core.installation
  const readiness = makeReadiness({ ...database, ...settings, engine, objects, dataDir })
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
  let retired: Promise<unknown> | undefined
  const retire = () => {
    retired ??= Promise.all([jobs.stop(), engine.stop(settings.drainSeconds)])
    return retired
  }
  closers.add(() => engine.closeRecords())
  // In parallel: requests wait for runs and records, which end with the engine, and the drain time counts once.
  closers.add(() => Promise.all([stopServing(), retire()]))
  // Its runs go on in a process of the new version. Then nothing here touches a schema that it does not know.
  database.watch.onUpgrade((reason) => void retire().finally(() => database.database.refuse(reason)))
  const cancelRunsOf = makeCancelCollectionRuns(database.database, engine)
  const { housekeeping, keyRotation } = startUpkeep({ core, cancelRunsOf, keySettleMs, houseMs }, closers)
  const { metrics, metricsUrl } = await metricsPort.open(housekeeping)
  const { webhooks, bulkActions } = jobs
  if (settings.role !== 'worker') {
    const pages = openPages(settings, core.log, options.webFolder)
    const more = { webhooks, bulkActions, pages, beatMs, pollBeatMs }
    const parts = { core, trajectories, readiness, metrics, cancelRunsOf, clock, keyRotation, ...more }
    http = await serveHttp(parts)
    trajectories.links.publicUrl ||= http.url
  }
  const welcomed = http ? await welcome(core, http, trajectories.links) : { demo: undefined, makeSignInUrl: undefined }
  // Last: beside other statements each would open a connection of its own.
  housekeeping.begin()
  if (settings.role !== 'api') webhooks.start()
  return {
    url: http?.url,
    hasPages: http?.hasPages ?? false,
    metricsUrl,
    publicUrl: trajectories.links.publicUrl,
    ...welcomed,
  }
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
