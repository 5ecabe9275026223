import type { Environments } from '../engine/environment/environments.ts'
import { type Gateway, type GatewayDeps, makeGateway } from '../gateway/gateway.ts'
import { makeRecorder } from '../gateway/record/recorder.ts'
import type { Settings } from '../lib/settings/config.ts'
import { type CacheLimits, makeAnswerCache } from '../store/calls/answer-cache.ts'
import { makeSpender } from '../store/calls/budget.ts'
import { makeCallGuard } from '../store/calls/call-guard.ts'
import type { Lending } from '../store/collections/lending.ts'
import { makeFreeIds } from '../store/runs/free-ids.ts'
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
  bodyValues: settings.maxBodyValues,
  keptBytes: settings.recordedAnswerBytes,
  roomBytes: settings.openAnswersBytes,
  stalledSeconds: settings.clientStallSeconds,
})

interface ServerGatewayDeps {
  core: Pick<ServerCore, 'settings' | 'database' | 'objects' | 'models' | 'pauses' | 'quota' | 'engine'>
  lending: Lending
  environmentOf: Environments['lending']
  /** Shortens the renewal of calls in a trial, in tests. */
  beatMs: number | undefined
}

interface ServerGateway {
  gateway: Gateway
  /** Draws the first ids of calls ahead of need; never rejects. */
  drawIds(): Promise<void>
}

/** Makes the gateway to models over the database and the engine of a server. */
export const makeServerGateway = ({ core, lending, environmentOf, beatMs }: ServerGatewayDeps): ServerGateway => {
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
  return { gateway, drawIds: freeIds.refill }
}
