import { byteSize } from '../../lib/settings/byte-size.ts'
import type { SystemCheck } from '../../model/system.ts'
import type { Ready } from '../health/contract.ts'
import type { SandboxFindings } from './system-port.ts'

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
