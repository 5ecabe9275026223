import type { Engine } from '../engine/engine.ts'
import { startEngine } from '../engine/make-engine.ts'
import { makeProgramCache } from '../engine/program/programs.ts'
import type { Closers } from '../lib/closers.ts'
import type { Logger } from '../lib/log.ts'
import { type LoopWatch, watchLoop } from '../lib/loop-watch.ts'
import { defaultInFlightBytes, makeByteBudget } from '../lib/memory/byte-budget.ts'
import { makeCollectionBuckets, withCollectionBuckets } from '../store/buckets/collection-buckets.ts'
import { readEnvironmentVersion } from '../store/collections/environments.ts'
import { makePauses } from '../store/collections/pauses.ts'
import { makeQuota } from '../store/collections/quota.ts'
import { readCallbackKey } from '../store/secrets/server-keys.ts'
import { makeCallbacks } from './callbacks.ts'
import { type ConnectOptions, connectDatabase } from './connect-database.ts'
import { type CoreParts, engineOptions, makeAccessNews } from './engine-options.ts'
import { lazyRunbookRunner, type RunbookRunner } from './lazy-runbook-runner.ts'
import { modelsFromSettings } from './models-from-settings.ts'
import { openObjectStore } from './object-store.ts'
import { makeOutboundNetwork } from './outbound-network.ts'
import type { RunbookRunnerOptions } from './runbook-runner.ts'

/** The parts of a process of every role, and its engine. */
export interface ServerCore extends CoreParts {
  engine: Engine
  loop: LoopWatch
}

export interface CoreOptions
  extends Pick<ServerCore, 'settings' | 'log' | 'installation' | 'lentKeys' | 'activities'>,
    Pick<ConnectOptions, 'machineClock'> {
  /** Environment variables, for the credentials of a bucket. */
  variables: Record<string, string | undefined>
  /** Replaces sandboxes in tests. */
  runbooks?: RunbookRunner | undefined
  beatMs?: number | undefined
}

const loadedWhenUsed = (options: RunbookRunnerOptions): RunbookRunner =>
  lazyRunbookRunner(async () => {
    const { makeRunbookRunner } = await import('./runbook-runner.ts')
    return makeRunbookRunner(options)
  }, options.settings.role === 'api')

/** Watches the event loop, and logs what blocked it. A start that is refused says why, and nothing else. */
const openLoopWatch = (mostMs: number, log: Logger, closers: Closers): LoopWatch => {
  const loop = watchLoop(mostMs, ({ blockedMs, cpuMs, work, subject }) => {
    const fields = {
      blocked_ms: blockedMs,
      cpu_ms: cpuMs,
      operation: work,
      subject: subject.replace(/\s+/g, ' ').slice(0, 200),
    }
    if (cpuMs > mostMs / 2) log.warn(fields, 'one piece of work kept all others waiting')
    else log.warn(fields, 'the process stood still: it was stopped, or the machine gave it no time')
  })
  closers.add(async () => loop.stop())
  return loop
}

/** Opens the parts in the order in which they need each other, the engine last. */
export const openCore = async (options: CoreOptions, closers: Closers): Promise<ServerCore> => {
  const { settings, log, installation, lentKeys, activities, machineClock, variables } = options
  const { dataDir, sealer } = installation
  const database = await connectDatabase({ settings, installation, log, machineClock }, closers)
  const loop = openLoopWatch(settings.loopBlockedMs, log, closers)
  const ownObjects = await openObjectStore({ database: database.database, dataDir, settings, variables, log })
  const guardedPorts = [database.postgres?.port, settings.metricsPort].filter((port) => port !== undefined)
  const network = makeOutboundNetwork({
    allowPrivateNetwork: settings.allowPrivateNetwork,
    maxBytes: settings.maxFetchBytes,
    timeoutSeconds: settings.fetchTimeoutSeconds,
    guardedPorts,
  })
  const buckets = makeCollectionBuckets({ database: database.database, sealer, open: network.open })
  const objects = withCollectionBuckets(ownObjects, buckets, { mayLink: settings.storageLinks })
  const models = modelsFromSettings(settings, lentKeys, guardedPorts)
  const runbooks = options.runbooks ?? loadedWhenUsed({ settings, dataDir, models, log })
  closers.add(() => runbooks.close())
  const quota = makeQuota(database.database, { bytes: settings.collectionBytes, runs: settings.collectionRuns }, log)
  closers.add(() => quota.stop())
  const access = makeAccessNews()
  const pauses = makePauses(database.database, log)
  closers.add(async () => pauses.stop())
  await pauses.refresh()
  access.onChange(() => void pauses.refresh().catch((error) => log.debug({ err: error }, 'pauses not read')))
  const links = { publicUrl: settings.publicUrl ?? '' }
  const parts: CoreParts = {
    settings,
    log,
    installation,
    lentKeys,
    links,
    callbacks: makeCallbacks(await readCallbackKey(database.database, sealer), links),
    access,
    activities,
    programs: makeProgramCache(activities, settings),
    database,
    objects,
    buckets,
    models,
    runbooks,
    pauses,
    quota,
    network,
    memory: makeByteBudget(settings.inFlightBytes ?? defaultInFlightBytes()),
    openEnvironment: async (id) => Object.fromEntries(await readEnvironmentVersion(database.database, sealer, id)),
  }
  return { ...parts, loop, engine: await startEngine(engineOptions(parts, options.beatMs)) }
}
