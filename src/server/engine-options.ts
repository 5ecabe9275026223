import { join } from 'node:path'
import type { ActivityRegistry } from '../activities/activity.ts'
import type { EngineOptions } from '../engine/engine-options.ts'
import type { ProgramCache } from '../engine/program/programs.ts'
import { AppError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import type { ByteBudget } from '../lib/memory/byte-budget.ts'
import type { Settings } from '../lib/settings/config.ts'
import { makeSampler, type TraceSampler } from '../lib/text/trace-context.ts'
import type { LentKeys } from '../model/collections/trial.ts'
import { callWithFallback } from '../providers/fallback.ts'
import type { Models } from '../providers/provider.ts'
import type { CollectionBuckets } from '../store/buckets/collection-buckets.ts'
import type { Pauses } from '../store/collections/pauses.ts'
import type { Quota } from '../store/collections/quota.ts'
import type { ObjectStore } from '../store/objects/objects.ts'
import type { ResultLimits } from '../store/runs/step-results.ts'
import type { Callbacks } from './callbacks.ts'
import type { ServerDatabase } from './connect-database.ts'
import type { Installation } from './installation.ts'
import { checkWith, type RunbookRunner } from './lazy-runbook-runner.ts'
import type { OutboundNetwork } from './outbound-network.ts'

/**
 * Passes on that a process may have changed keys, collections or tasks, and whether this one hears of further changes: not
 * while its connection that listens is lost.
 */
interface AccessNews {
  changed(isListening: boolean): void
  onChange(hear: (isListening: boolean) => void): void
}

export const makeAccessNews = (): AccessNews => {
  const hearers: ((isListening: boolean) => void)[] = []
  return {
    changed(isListening) {
      for (const hear of hearers) hear(isListening)
    },
    onChange: (hear) => void hearers.push(hear),
  }
}

/** The parts that the engine of a process is made of: database, files, models and keys. */
export interface CoreParts {
  settings: Settings
  log: Logger
  installation: Installation
  /** The keys that the operator lends to trials. */
  lentKeys: LentKeys
  activities: ActivityRegistry
  programs: ProgramCache
  database: ServerDatabase
  objects: ObjectStore
  /** Buckets in which collections keep their data files. */
  buckets: CollectionBuckets
  network: OutboundNetwork
  models: Models
  runbooks: RunbookRunner
  /** Collections that are paused. */
  pauses: Pauses
  quota: Quota
  /** Bytes that steps, requests and answers may hold together. */
  memory: ByteBudget
  /** The base URL in links; empty until the server listens, unless it is set. */
  links: { publicUrl: string }
  callbacks: Callbacks
  access: AccessNews
  /** Decrypts one version of a collection's environment. */
  openEnvironment(environmentId: number): Promise<Record<string, string>>
}

/** Limits of the cached step results: age and number. */
export const stepResultLimits = (settings: Settings): ResultLimits => ({
  days: settings.stepCacheDays,
  entries: settings.stepCacheEntries,
})

/** Decides which traces are sent to the collector; undefined without one. */
export const traceSampler = ({ otlpEndpoint, tracesSampler, tracesSampled }: Settings): TraceSampler | undefined =>
  otlpEndpoint === undefined ? undefined : makeSampler(tracesSampler, tracesSampled)

const engineLimits = (settings: Settings): EngineOptions['limits'] => ({
  concurrency: settings.workerConcurrency,
  stepTimeoutSeconds: settings.stepTimeoutSeconds,
  runTimeoutSeconds: settings.runTimeoutSeconds,
  maxOutputBytes: settings.maxOutputBytes,
  parallelSteps: settings.parallelSteps,
  maxLabelsPerRun: settings.maxLabelsPerRun,
  maxFanOut: settings.maxFanOut,
  maxRunDepth: settings.maxRunDepth,
  maxRunRecursion: settings.maxRunRecursion,
  maxOpenBelow: settings.maxOpenBelow,
  maxOpenStarted: settings.maxOpenStarted,
  runbookEvents: settings.runbookEvents,
  leaseSeconds: settings.workerLeaseSeconds,
  lostWorkers: settings.workerLosses,
  queuedJobs: settings.workerQueue,
  economyCollectSeconds: settings.economyCollectSeconds,
  economyMaxWaitSeconds: settings.economyMaxWaitSeconds,
  jobParametersBytes: settings.workerParametersBytes,
})

export const activitySettings = (settings: Settings): EngineOptions['activitySettings'] => ({
  modelFileBytes: settings.modelFileBytes,
  mediaFiles: settings.mediaFiles,
  geminiImageModel: settings.geminiImageModel,
  initParamsBytes: settings.maxInitParamsBytes,
  loopTurns: settings.loopTurns,
  sequenceNumbers: settings.sequenceNumbers,
  toolLimits: {
    turns: settings.toolTurns,
    calls: settings.toolCalls,
    tokens: settings.toolTokens,
    costUsd: settings.toolCostUsd,
    resultCharacters: settings.toolResultCharacters,
  },
  sqlLimits: { seconds: settings.sqlSeconds, rows: settings.sqlRows, bytes: settings.sqlBytes },
  transformLimits: {
    seconds: settings.transformSeconds,
    memoryBytes: settings.transformMemoryBytes,
    inputBytes: settings.transformInputBytes,
  },
  checkSeconds: settings.checkSeconds,
})

const noScripts = (): Promise<never> =>
  Promise.reject(new AppError('sandbox_unavailable', 'This server runs no scripts'))

/** Everything the engine takes from a server. `beatMs` shortens its heartbeat in tests. */
export const engineOptions = (core: CoreParts, beatMs: number | undefined): EngineOptions => {
  const { settings, database, models, runbooks } = core
  return {
    ...database,
    role: settings.role,
    labels: settings.labels ?? [],
    onAccessChange: core.access.changed,
    activities: core.activities,
    programs: core.programs,
    objects: core.objects,
    fetch: core.network.fetch,
    sql: core.network.sql,
    models: { ...models, chat: callWithFallback(models.call, settings.modelFallbackSeconds) },
    carryOutRunbook: runbooks.carryOut,
    checkRunbook: checkWith(runbooks.preflight),
    runScript: runbooks.runScript ?? noScripts,
    checkScript: runbooks.checkScript ?? noScripts,
    registerProduct: async (maker, product) => {
      const { makeRegisterProduct } = await import('../api/entities/register.ts')
      return makeRegisterProduct({ ...core, database: database.database })(maker, product)
    },
    traceSampler: traceSampler(settings),
    activitySettings: activitySettings(settings),
    openEnvironment: core.openEnvironment,
    lentKeys: core.lentKeys,
    sealer: core.installation.sealer,
    callbacks: core.callbacks,
    pauses: core.pauses,
    quota: core.quota,
    limits: engineLimits(settings),
    memory: core.memory,
    stepResults: stepResultLimits(settings),
    calls: {
      folder: join(core.installation.dataDir, 'spill'),
      maxBytes: settings.spillBytes,
      mode: settings.callLog,
    },
    ...(beatMs === undefined ? {} : { beatMs }),
    log: core.log,
  }
}
