import type { Closers } from '../lib/closers.ts'
import { type KeyRotation, makeKeyRotation } from '../store/secrets/key-rotation.ts'
import type { CancelCollectionRuns } from './cancel-collection-runs.ts'
import { stepResultLimits } from './engine-options.ts'
import { type Housekeeping, makeHousekeeping } from './housekeeping.ts'
import { mayHaveSandboxes } from './lazy-runbook-runner.ts'
import type { ServerCore } from './server-core.ts'
import { answerCacheLimits } from './server-gateway.ts'

interface UpkeepDeps {
  core: Pick<ServerCore, 'settings' | 'installation' | 'database' | 'objects' | 'runbooks' | 'engine' | 'log'>
  cancelRunsOf: CancelCollectionRuns
  /** See `KeyRotationOptions`; tests shorten it. */
  keySettleMs: number | undefined
  /** Pause between two rounds of housekeeping; tests shorten it. */
  houseMs: number | undefined
}

/** Removes the sandboxes of dead processes, where this process may have had some. */
const makeReaper =
  ({ settings, installation, runbooks, log }: UpkeepDeps['core']) =>
  async () => {
    if (!mayHaveSandboxes(settings, installation.dataDir)) return
    const count = await runbooks.reap()
    if (count > 0) log.warn({ count }, 'sandboxes of processes that are gone were removed')
  }

/** Makes what keeps an installation tidy: sandboxes of dead processes, housekeeping, a change of the encryption key. */
export const startUpkeep = (
  deps: UpkeepDeps,
  closers: Closers,
): { housekeeping: Housekeeping; keyRotation: KeyRotation } => {
  const { core, cancelRunsOf } = deps
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
    auditDays: settings.auditDays,
    orphanDays: settings.orphanDays,
    log,
    everyMs: deps.houseMs,
  })
  closers.add(() => housekeeping.stop())
  const keyRotation = makeKeyRotation({
    database,
    sealer: installation.sealer,
    home: installation.keyHome,
    log,
    settled: () => engine.settled(),
    ...(deps.keySettleMs === undefined ? {} : { settleMs: deps.keySettleMs }),
  })
  closers.add(() => keyRotation.stop())
  return { housekeeping, keyRotation }
}
