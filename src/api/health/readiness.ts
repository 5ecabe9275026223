import { constants } from 'node:fs'
import { access, statfs } from 'node:fs/promises'
import type { Engine } from '../../engine/engine.ts'
import { messageOf } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import type { DatabaseWatch } from '../../store/database/watch.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import type { Ready } from './contract.ts'

/** Readiness of this process to receive requests, as load balancers poll it. */
export interface Readiness {
  look(): Promise<Ready>
  /** Makes it unready, whatever its other state. */
  drain(): void
  /** True if a load balancer polls this process. It must see `not ready` before the listener closes. */
  isWatched(): boolean
}

const keptMs = 1_000
/** Load balancers poll every few seconds, slow ones twice a minute. */
const watchedForMs = 60_000

const storageOf = async (folder: string, leastFreeBytes: number): Promise<Ready['storage']> => {
  try {
    await access(folder, constants.W_OK)
    const { bavail, bsize } = await statfs(folder)
    const freeBytes = bavail * bsize
    if (freeBytes >= leastFreeBytes) return { ok: true, reason: null }
    const least = `JETTY_LEAST_FREE_BYTES is ${byteSize(leastFreeBytes)}`
    return { ok: false, reason: `The disk of ${folder} has ${byteSize(freeBytes)} left; ${least}` }
  } catch (error) {
    return { ok: false, reason: messageOf(error) }
  }
}

/** Caches an answer for a second, which bounds the cost of frequent polls. */
const keeping = <T>(ask: () => Promise<T>): (() => Promise<T>) => {
  let kept: Promise<T> | undefined
  let askedMs = Number.NEGATIVE_INFINITY
  return () => {
    if (!kept || performance.now() - askedMs > keptMs) {
      kept = ask()
      askedMs = performance.now()
    }
    return kept
  }
}

interface WithMemory {
  statistics(): Pick<ReturnType<Engine['statistics']>, 'memory'>
}

const shownWaits = 20

/** Anybody may ask, so it names nobody. */
const memoryOf = (engine: WithMemory): Ready['memory'] => {
  const { used, total, waiting, waits } = engine.statistics().memory
  const shown = waits().slice(0, shownWaits)
  return {
    used_bytes: used,
    limit_bytes: total,
    waiting,
    waits: shown.map(({ kind, bytes, heldBytes, seconds }) => ({
      ...{ kind, bytes, held_bytes: heldBytes },
      seconds: Math.round(seconds * 10) / 10,
    })),
  }
}

export const makeReadiness = (deps: {
  watch: Pick<DatabaseWatch, 'state' | 'reason' | 'clock'>
  engine: Pick<Engine, 'isFull'> & WithMemory
  role: Ready['role']
  dataDir: string
  leastFreeBytes: number
  objects: Pick<ObjectStore, 'state'>
}): Readiness => {
  const { watch, engine, role, dataDir, leastFreeBytes, objects } = deps
  const storage = keeping(() => storageOf(dataDir, leastFreeBytes))
  let isDraining = false
  let askedMs = Number.NEGATIVE_INFINITY
  return {
    async look() {
      askedMs = performance.now()
      const stored = await storage()
      const isUp = watch.state === 'up'
      const clock = { ok: !watch.clock.isSkewed, skew_seconds: watch.clock.skewMs / 1000 }
      const queue = { ok: !engine.isFull }
      const reason = [
        isDraining && 'The process is stopping',
        watch.reason && `${watch.reason.message}. ${watch.reason.hint}`,
        !clock.ok && 'The clock of this machine is wrong',
        !stored.ok && `Files cannot be written: ${stored.reason}`,
        !queue.ok && 'Runs and calls arrive faster than the database stores them',
      ].find((one) => typeof one === 'string')
      return {
        ready: reason === undefined,
        reason: reason ?? null,
        draining: isDraining,
        role,
        database: watch.state,
        writable: isUp,
        clock,
        // A bucket that is away is no reason to send requests elsewhere: runs without files go on.
        storage: stored.ok ? objects.state : stored,
        memory: memoryOf(engine),
        queue,
      }
    },
    drain() {
      isDraining = true
    },
    isWatched: () => performance.now() - askedMs < watchedForMs,
  }
}
