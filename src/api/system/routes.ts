import type { Engine } from '../../engine/engine.ts'
import { implement, type Route } from '../../http/implement.ts'
import { confinement } from '../../lib/processes/confinement.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { now, timestamp, timestampOrNull } from '../../lib/time.ts'
import type { SandboxState, SystemState } from '../../model/system.ts'
import type { Database } from '../../store/database/database.ts'
import { variableHolders } from '../../store/system/key-holders.ts'
import { unservedPlacements } from '../../store/system/placements.ts'
import { listWorkers, type QueueLengths, queueLengths, type WorkerRow } from '../../store/system/queue.ts'
import { readRestoreState } from '../../store/system/restore-state.ts'
import { unservedActivities } from '../../store/system/waits.ts'
import type { Readiness } from '../health/readiness.ts'
import { sandboxCheck, systemChecks } from './checks.ts'
import { systemContract } from './contract.ts'
import { makeMeasuredSizes } from './measured-sizes.ts'
import { shownProviders } from './providers.ts'
import type { SystemPort } from './system-port.ts'

export interface SystemDeps {
  database: Database
  sealer: Sealer
  engine: Pick<Engine, 'statistics'>
  readiness: Pick<Readiness, 'look'>
  version: string
  system: SystemPort
}

const shownQueue = (
  { engine, system }: SystemDeps,
  waiting: QueueLengths,
  workers: readonly WorkerRow[],
): SystemState['queue'] => {
  const { slots: steps, runbooks } = engine.statistics()
  return {
    open_runs: waiting.open,
    queued: waiting.queued,
    oldest_queued_at: timestampOrNull(waiting.oldestQueuedAt),
    parked: waiting.parked,
    webhooks: waiting.webhooks,
    steps,
    slots: system.role === 'api' ? 0 : system.slots,
    runbooks: { working: runbooks.working, waiting: runbooks.waiting },
    workers: workers.map((one) => ({
      id: one.id,
      seen_at: timestamp(one.beat_at),
      is_alive: one.is_alive,
      labels: one.labels,
    })),
  }
}

const shownSandbox = async ({ system: { sandbox, kinds } }: SystemDeps): Promise<SandboxState> => {
  const findings = await sandbox.probe?.()
  return {
    kind: sandbox.kind,
    check: findings ? sandboxCheck(findings, sandbox.isolates) : null,
    tools: Object.entries(findings?.tools ?? {}).map(([name, version]) => ({ name, version: version ?? null })),
    kinds: [...kinds],
  }
}

export const systemRoutes = (deps: SystemDeps): Route[] => {
  const { database, sealer, readiness, version, system } = deps
  const measuredSizes = makeMeasuredSizes(database, () => system.dataDir)
  const processOf = (): SystemState['process'] => ({
    version,
    role: system.role,
    uptime_seconds: Math.round(process.uptime()),
    node: process.versions.node,
    memory_bytes: process.memoryUsage.rss(),
    connections: database.statistics(),
  })
  return implement(systemContract, {
    getSystem: async () => {
      const [ready, sizes, waiting, workers, holders, restored, unserved, unservedJobs, confined] = await Promise.all([
        readiness.look(),
        measuredSizes(),
        queueLengths(database),
        listWorkers(database),
        variableHolders(database, sealer),
        readRestoreState(database),
        unservedPlacements(database),
        unservedActivities(database),
        confinement(),
      ])
      const facts = {
        freeBytes: sizes.disk_free_bytes,
        queued: waiting.queued,
        oldestQueuedSeconds: waiting.oldestQueuedAt ? (now() - waiting.oldestQueuedAt.getTime()) / 1000 : 0,
        isWorked: workers.some((one) => one.is_alive),
        unserved,
        unservedActivities: unservedJobs,
        ...(confined.kind === 'bubblewrap' ? {} : { confined }),
        restoredFrom: restored?.taken_at,
      }
      return {
        checks: systemChecks(ready, facts),
        process: processOf(),
        queue: shownQueue(deps, waiting, workers),
        sizes,
        providers: shownProviders(system, holders),
      }
    },
    getSandbox: () => shownSandbox(deps),
  })
}
