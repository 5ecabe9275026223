import { statfs } from 'node:fs/promises'
import type { Engine } from '../../engine/engine.ts'
import { implement, type Route } from '../../http/implement.ts'
import { confinement } from '../../lib/processes/confinement.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { now, timestamp, timestampOrNull } from '../../lib/time.ts'
import type { SandboxState, SystemCheck, SystemState } from '../../model/system.ts'
import { variableHolders } from '../../store/collections/environments.ts'
import { storedTotals } from '../../store/collections/quota.ts'
import type { Database } from '../../store/database/database.ts'
import { databaseSizes } from '../../store/database/tables.ts'
import type { KeyRotation } from '../../store/secrets/key-rotation.ts'
import { unservedPlacements } from '../../store/system/placements.ts'
import { readRestoreState } from '../../store/system/restore-state.ts'
import {
  listWorkers,
  type QueueLengths,
  queueLengths,
  unservedActivities,
  type WorkerRow,
} from '../../store/system/waits.ts'
import type { Ready } from '../health/contract.ts'
import type { Readiness } from '../health/readiness.ts'
import { systemContract } from './contract.ts'
/** Facts about the parts of a server that the API shows and cannot read itself. */
export interface SystemPort {
  role: 'all' | 'api' | 'worker'
  /** Maximum steps that this process executes at a time. */
  slots: number
  dataDir: string
  /** Names of the keys that are lent to trials. */
  lentKeys: readonly string[]
  /** Providers that are known by name, with the variables of their keys. */
  providers: readonly { name: string; keys: readonly string[] }[]
  /** Outcomes of this process's calls to providers. */
  health(): readonly ProviderCalls[]
  /** The kind of sandbox in use; `probe` tries it, and is missing where this process executes no runbooks. */
  sandbox: { kind: string; isolates: boolean; probe: (() => Promise<SandboxFindings>) | undefined }
  kinds: readonly { name: string; isolates: boolean; runs_images: boolean }[]
}

interface ProviderCalls {
  name: string
  calls: number
  failures: number
  lastAnswerMs: number | undefined
  lastFailure: { ms: number; reason: string } | undefined
}

interface SandboxFindings {
  works: boolean
  found: string
  remedy?: string
  tools: Readonly<Record<string, string | undefined>>
}

const lowSpaceBytes = 2 * 1024 ** 3

const check = (name: string, isWell: boolean, found: string, remedy: string): SystemCheck =>
  isWell ? { name, state: 'ok', found, remedy: null } : { name, state: 'failed', found, remedy }

const warning = (name: string, found: string, remedy: string): SystemCheck => ({
  name,
  state: 'warning',
  found,
  remedy,
})

const diskCheck = (storage: Ready['storage'], freeBytes: number | null): SystemCheck => {
  if (!storage.ok) {
    const remedy = 'Free some space in the data folder, and make sure that the server may write there.'
    return check('disk', false, storage.reason ?? 'Files cannot be written', remedy)
  }
  if (freeBytes === null) return check('disk', true, 'files can be written', '')
  const found = `${byteSize(freeBytes)} free`
  return freeBytes < lowSpaceBytes
    ? warning('disk', found, 'Free some space, or set retention_days on collections, so that old runs go.')
    : check('disk', true, found, '')
}

/** A batch that waits longer than this has to be looked at. */
const longWaitSeconds = 30

const queueCheck = (ready: Ready, { queued, oldestQueuedSeconds, isWorked }: QueueFacts): SystemCheck => {
  if (!ready.queue.ok) {
    return check('queue', false, 'new runs are refused: they arrive faster than the database stores them', 'Send less.')
  }
  const batches = queued === 1 ? 'one batch of runs waits' : `${queued} batches of runs wait`
  const found = queued === 0 ? 'nothing waits for a worker' : `${batches} for a worker`
  if (isWorked && oldestQueuedSeconds > longWaitSeconds) {
    const remedy =
      'All slots may be taken: raise JETTY_WORKER_CONCURRENCY, or start another worker. See `jetty status`.'
    return warning('queue', `${found}, the oldest for ${Math.round(oldestQueuedSeconds)} s`, remedy)
  }
  if (isWorked) return check('queue', true, found, '')
  const remedy = 'Start a worker: JETTY_ROLE=worker with the same DATABASE_URL and data folder.'
  return check('queue', false, `no process executes runs; ${found}`, remedy)
}

interface QueueFacts {
  /** Batches of runs that wait for a worker. */
  queued: number
  oldestQueuedSeconds: number
  /** Whether a process executes runs. */
  isWorked: boolean
}

/** The checks of a running server. The machine that it runs on has more: `jetty doctor`. */
export const systemChecks = (
  ready: Ready,
  facts: QueueFacts & {
    freeBytes: number | null
    /** Placements that runs wait for and no process satisfies. */
    unserved: readonly string[]
    /** Activities that steps wait for and no worker of another program takes. */
    unservedActivities?: readonly string[]
    /** How processes are confined that read what tenants write; undefined if as well as they can be. */
    confined?: { found: string; remedy: string | undefined } | undefined
    /** The moment of the backup that this server was restored from and holds back. */
    restoredFrom?: string | undefined
  },
): SystemCheck[] => [
  check(
    'database',
    ready.database === 'up',
    ready.database === 'up' ? 'answers and takes writes' : `is ${ready.database.replace('_', ' ')}`,
    ready.database === 'upgraded'
      ? 'Start this process again with the new version.'
      : 'Look at the log of Postgres, and at its disk. The server goes on by itself when it is back.',
  ),
  check(
    'clock',
    ready.clock.ok,
    `${ready.clock.skew_seconds.toFixed(1)} s beside that of the database`,
    'Set the clock of this machine by NTP.',
  ),
  diskCheck(ready.storage, facts.freeBytes),
  queueCheck(ready, facts),
  ...(facts.unserved.length === 0 ? [] : [placementCheck(facts.unserved)]),
  ...(facts.unservedActivities?.length ? [workersCheck(facts.unservedActivities)] : []),
  ...(facts.confined === undefined ? [] : [confinementCheck(facts.confined)]),
  ...(facts.restoredFrom === undefined ? [] : [restoreCheck(facts.restoredFrom)]),
]

const placementCheck = (unserved: readonly string[]): SystemCheck =>
  warning(
    'labels',
    `runs wait for a process with the labels ${unserved.map((one) => one.replaceAll(',', ' and ')).join('; ')}`,
    `Start one: JETTY_LABELS=${unserved[0]} with the same DATABASE_URL and data folder. Or cancel the runs.`,
  )

const workersCheck = (activities: readonly string[]): SystemCheck =>
  warning(
    'workers',
    `steps wait for a worker that takes ${activities.join(', ')}, and none is online`,
    'Start it: jetty worker run <module>. `jetty workers ls` shows those there are. Or cancel the runs.',
  )

const confinementCheck = ({ found, remedy }: { found: string; remedy: string | undefined }): SystemCheck =>
  warning(
    'processes',
    `those that read what tenants write are confined ${found}`,
    remedy ?? 'Run Jetty on Linux with bubblewrap.',
  )

const restoreCheck = (takenAt: string): SystemCheck =>
  warning(
    'restore',
    `restored from a backup of ${takenAt}; its open runs, routines, webhooks and retention wait`,
    'Look at the server, then let them go on: jetty restore --go',
  )

/** Checks whether this process can execute runbooks. Only they need a sandbox, so a missing one is a warning. */
export const sandboxCheck = ({ works, found, remedy }: SandboxFindings, isolates: boolean): SystemCheck => {
  if (!works) {
    return warning(
      'sandbox',
      `none, so runbooks are refused: ${found}`,
      remedy ?? 'Set JETTY_SANDBOX to one that works.',
    )
  }
  const better = 'Set JETTY_SANDBOX=bubblewrap, docker or podman, unless this machine has nothing else.'
  return isolates ? check('sandbox', true, found, '') : warning('sandbox', `${found}; it isolates nothing`, better)
}

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

interface SystemDeps {
  database: Database
  sealer: Sealer
  engine: Pick<Engine, 'statistics'>
  readiness: Pick<Readiness, 'look'>
  version: string
  system: SystemPort
  keyRotation: KeyRotation
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
  const { database, sealer, readiness, version, system, keyRotation } = deps
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
    getSecretKeyRotation: () => keyRotation.status(),
    async rotateSecretKey() {
      await keyRotation.start()
      return keyRotation.status()
    },
  })
}
