import { join } from 'node:path'
import type { EngineOptions } from '../engine/engine-options.ts'
import type { Settings } from '../lib/settings/config.ts'
import { callWithFallback } from '../providers/fallback.ts'
import type { ResultLimits } from '../store/runs/step-results.ts'
import { checkWith } from './lazy-runbook-runner.ts'
import type { ServerCore } from './server-core.ts'

/** How long, and how many, results of cached steps are kept. */
export const stepResultLimits = (settings: Settings): ResultLimits => ({
  days: settings.stepCacheDays,
  entries: settings.stepCacheEntries,
})

const engineLimits = (settings: Settings): EngineOptions['limits'] => ({
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
})

const activitySettings = (settings: Settings): EngineOptions['activitySettings'] => ({
  modelFileBytes: settings.modelFileBytes,
  mediaFiles: settings.mediaFiles,
  geminiImageModel: settings.geminiImageModel,
  initParamsBytes: settings.maxInitParamsBytes,
  loopTurns: settings.loopTurns,
  sequenceNumbers: settings.sequenceNumbers,
})

/** Everything the engine takes from a server. `beatMs` shortens its heartbeat in tests. */
export const engineOptions = (core: Omit<ServerCore, 'engine'>, beatMs: number | undefined): EngineOptions => {
  const { settings, database, models, runbooks } = core
  return {
    ...database,
    role: settings.role,
    activities: core.activities,
    objects: core.objects,
    fetch: core.network.fetch,
    models: { ...models, chat: callWithFallback(models.call, settings.modelFallbackSeconds) },
    carryOutRunbook: runbooks.carryOut,
    checkRunbook: checkWith(runbooks.preflight),
    activitySettings: activitySettings(settings),
    openEnvironment: core.openEnvironment,
    lentKeys: core.lentKeys,
    sealer: core.installation.sealer,
    quota: core.quota,
    limits: engineLimits(settings),
    memory: core.memory,
    stepResults: stepResultLimits(settings),
    spill: { folder: join(core.installation.dataDir, 'spill'), maxBytes: settings.spillBytes },
    ...(beatMs === undefined ? {} : { beatMs }),
    log: core.log,
  }
}
