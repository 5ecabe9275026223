import { trajectoryUrl } from '../api/trajectories/document.ts'
import { type BulkActions, keepActing } from '../background/bulk-actions/keep-acting.ts'
import { keepFiring } from '../background/routines/keep-firing.ts'
import { makeWebhooks, type Webhooks } from '../background/webhooks/webhooks.ts'
import { makeLabelChanges } from '../store/runs/label-changes.ts'
import { makeRerunOf } from './rerun-of-run.ts'
import type { ServerCore } from './server-core.ts'
import type { Trajectories } from './trajectories.ts'

interface BackgroundDeps {
  core: Pick<ServerCore, 'settings' | 'installation' | 'database' | 'objects' | 'network' | 'links' | 'engine' | 'log'>
  documentOf: Trajectories['documentOf']
  /** Milliseconds since 1970, for what is due at a time. */
  clock(): number
}

/** Work that starts at a time, not with a request. */
interface BackgroundJobs {
  webhooks: Webhooks
  bulkActions: BulkActions
  /** Starts no new work. Resolves when work under way has ended, or after the drain time. */
  stop(): Promise<unknown>
}

/** Starts routines and bulk actions, and makes the sender of webhooks, which begins with `webhooks.start()`. */
export const startBackgroundJobs = ({ core, documentOf, clock }: BackgroundDeps): BackgroundJobs => {
  const { settings, engine, log } = core
  const { database, watch } = core.database
  const { sealer } = core.installation
  const webhooks = makeWebhooks({
    database,
    sealer,
    open: core.network.open,
    documentOf,
    pageOf: (run) => trajectoryUrl(run, core.links.publicUrl),
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
  return {
    webhooks,
    bulkActions,
    stop: () => Promise.all([stopRoutines(), bulkActions.stop(), webhooks.stop(settings.drainSeconds)]),
  }
}
