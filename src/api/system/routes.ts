import { statfs } from 'node:fs/promises'
import type { Engine } from '../../engine/engine.ts'
import { implement, type Route } from '../../http/implement.ts'
import { confinement } from '../../lib/processes/confinement.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { now, timestamp, timestampOrNull } from '../../lib/time.ts'
import type { SandboxState, SystemState } from '../../model/system.ts'
import { variableHolders } from '../../store/collections/environments.ts'
import type { Database } from '../../store/database/database.ts'
import { unservedPlacements } from '../../store/system/placements.ts'
import { readRestoreState } from '../../store/system/restore-state.ts'
import { databaseSizes, storedTotals } from '../../store/system/sizes.ts'
import {
  listWorkers,
  type QueueLengths,
  queueLengths,
  unservedActivities,
  type WorkerRow,
} from '../../store/system/waits.ts'
import type { Readiness } from '../health/readiness.ts'
import { sandboxCheck, systemChecks } from './checks.ts'
import { systemContract } from './contract.ts'
import type { ProviderCalls, SystemPort } from './system-port.ts'

/** Sizes come from the file system, file by file, so they are cached for a minute. */
const keptMs = 60_000

const diskOf = async (folder: string): Promise<{ free: number | null; total: number | null }> => {
  try {
    const { bavail, blocks, bsize } = await statfs(folder)
    return { free: bavail * bsize, total: blocks * bsize }
  } catch {
    return { free: null, total: null }
  }
}

const measure = async (database: Database, dataDir: string): Promise<SystemState['sizes']> => {
  const [sizes, totals, disk] = await Promise.all([databaseSizes(database), storedTotals(database), diskOf(dataDir)])
  return {
    measured_at: timestamp(new Date(now())),
    database_bytes: sizes.bytes,
    tables: sizes.tables,
    collections: totals.collections,
    runs: totals.runs,
    file_bytes: totals.fileBytes,
    disk_free_bytes: disk.free,
    disk_bytes: disk.total,
  }
}

/** Makes a reader of sizes that measures once a minute. */
const makeMeasuredSizes = (database: Database, folder: () => string): (() => Promise<SystemState['sizes']>) => {
  let kept: Promise<SystemState['sizes']> | undefined
  let measuredMs = Number.NEGATIVE_INFINITY
  return () => {
    if (kept && performance.now() - measuredMs < keptMs) return kept
    measuredMs = performance.now()
    const measuring = measure(database, folder())
    kept = measuring
    measuring.catch(() => {
      if (kept === measuring) kept = undefined
    })
    return measuring
  }
}

type Shown = SystemState['providers'][number]

const moment = (ms: number | undefined): string | null => (ms === undefined ? null : timestamp(new Date(ms)))

const shown = (
  { name, keys }: SystemPort['providers'][number],
  calls: ProviderCalls | undefined,
  { holders, lent }: { holders: ReadonlyMap<string, ReadonlySet<number>>; lent: readonly string[] },
): Shown => ({
  name,
  keys: [...keys],
  collections: new Set(keys.flatMap((key) => [...(holders.get(key) ?? [])])).size,
  is_lent: keys.some((key) => lent.includes(key)),
  calls: calls?.calls ?? 0,
  failures: calls?.failures ?? 0,
  last_answer_at: moment(calls?.lastAnswerMs),
  last_failure: calls?.lastFailure
    ? { at: timestamp(new Date(calls.lastFailure.ms)), reason: calls.lastFailure.reason }
    : null,
})

/** Providers that a collection has a key of, whose key is lent, or that were called; the most called first. */
const shownProviders = (
  { providers, health, lentKeys }: Pick<SystemPort, 'providers' | 'health' | 'lentKeys'>,
  holders: ReadonlyMap<string, ReadonlySet<number>>,
): Shown[] => {
  const called = new Map(health().map((one) => [one.name, one]))
  const known = new Set(providers.map(({ name }) => name))
  const others = [...called.keys()].filter((name) => !known.has(name)).map((name) => ({ name, keys: [] }))
  return [...providers, ...others]
    .map((one) => shown(one, called.get(one.name), { holders, lent: lentKeys }))
    .filter(({ collections, is_lent: isLent, calls }) => collections > 0 || isLent || calls > 0)
    .sort((left, right) => right.calls - left.calls || right.collections - left.collections)
}

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
