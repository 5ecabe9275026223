import type { ActivityRegistry } from '../activities/activity.ts'
import type { Engine } from '../engine/engine.ts'
import { startEngine } from '../engine/make-engine.ts'
import type { Closers } from '../lib/closers.ts'
import type { Logger } from '../lib/log.ts'
import { type ByteBudget, defaultInFlightBytes, makeByteBudget } from '../lib/memory/byte-budget.ts'
import type { Settings } from '../lib/settings/config.ts'
import type { LentKeys } from '../model/collections/trial.ts'
import type { Models } from '../providers/provider.ts'
import { readEnvironmentVersion } from '../store/collections/environments.ts'
import { makeQuota, type Quota } from '../store/collections/quota.ts'
import type { ObjectStore } from '../store/objects/objects.ts'
import { type ConnectOptions, connectDatabase, type ServerDatabase } from './connect-database.ts'
import { engineOptions } from './engine-options.ts'
import type { Installation } from './installation.ts'
import { lazyRunbookRunner, type RunbookRunner } from './lazy-runbook-runner.ts'
import { modelsFromSettings } from './models-from-settings.ts'
import { openObjectStore } from './object-store.ts'
import { makeOutboundNetwork, type OutboundNetwork } from './outbound-network.ts'
import type { RunbookRunnerOptions } from './runbook-runner.ts'

/** What a process of every role has: its database, files, models and engine. */
export interface ServerCore {
  settings: Settings
  log: Logger
  installation: Installation
  /** The keys that the operator lends to trials. */
  lentKeys: LentKeys
  activities: ActivityRegistry
  database: ServerDatabase
  objects: ObjectStore
  network: OutboundNetwork
  models: Models
  runbooks: RunbookRunner
  quota: Quota
  /** Bytes that steps, requests and answers may hold together. */
  memory: ByteBudget
  /** Decrypts one version of a collection's environment. */
  openEnvironment(environmentId: number): Promise<Record<string, string>>
  engine: Engine
}

export interface CoreOptions
  extends Pick<ServerCore, 'settings' | 'log' | 'installation' | 'lentKeys' | 'activities'>,
    Pick<ConnectOptions, 'machineClock'> {
  /** Replaces sandboxes in tests. */
  runbooks?: RunbookRunner | undefined
  beatMs?: number | undefined
}

const loadedWhenUsed = (options: RunbookRunnerOptions): RunbookRunner =>
  lazyRunbookRunner(async () => {
    const { makeRunbookRunner } = await import('./runbook-runner.ts')
    return makeRunbookRunner(options)
  }, options.settings.role === 'api')

/** Opens the parts in the order in which they need each other, the engine last. */
export const openCore = async (options: CoreOptions, closers: Closers): Promise<ServerCore> => {
  const { settings, log, installation, lentKeys, activities, machineClock } = options
  const { dataDir, sealer } = installation
  const database = await connectDatabase({ settings, installation, log, machineClock }, closers)
  const objects = await openObjectStore(database.database, dataDir)
  const guardedPorts = [database.postgres?.port, settings.metricsPort].filter((port) => port !== undefined)
  const models = modelsFromSettings(settings, lentKeys, guardedPorts)
  const runbooks = options.runbooks ?? loadedWhenUsed({ settings, dataDir, models, log })
  closers.add(() => runbooks.close())
  const quota = makeQuota(database.database, { bytes: settings.collectionBytes, runs: settings.collectionRuns }, log)
  closers.add(() => quota.stop())
  const parts: Omit<ServerCore, 'engine'> = {
    settings,
    log,
    installation,
    lentKeys,
    activities,
    database,
    objects,
    models,
    runbooks,
    quota,
    network: makeOutboundNetwork({
      allowPrivateNetwork: settings.allowPrivateNetwork,
      maxBytes: settings.maxFetchBytes,
      timeoutSeconds: settings.fetchTimeoutSeconds,
      guardedPorts,
    }),
    memory: makeByteBudget(settings.inFlightBytes ?? defaultInFlightBytes()),
    openEnvironment: async (id) => Object.fromEntries(await readEnvironmentVersion(database.database, sealer, id)),
  }
  return { ...parts, engine: await startEngine(engineOptions(parts, options.beatMs)) }
}
