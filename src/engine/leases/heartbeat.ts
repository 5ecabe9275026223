import type { Logger } from '../../lib/log.ts'
import type { Queries } from '../../store/database/database.ts'
import { int, query, queryOne, text } from '../../store/database/table.ts'
import type { Look } from '../engine.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import { Fenced } from '../journal/journal-sender.ts'
import { isQueued, queueLeasesOfDead, queuesFor } from './lease-queue.ts'
import { isDue } from './leases.ts'

/** Interval of the heartbeat, and the silence after which peers declare a process dead. */
export const beatMs = 1_000
const deadMs = 5_000
/** Time after its last heartbeat in which a process need not ask whether peers have taken its leases. */
export const trustedMs = deadMs - beatMs

/** Findings of a heartbeat in the database. An idle process makes no other query. */
interface Sights {
  /** Leases wait on the queue. */
  queued: boolean
  /** Parked runs are due. */
  due: boolean
  /** Another process has stopped beating. */
  dead: boolean
}

interface HeartbeatDeps {
  executor: string
  /** Labels of this process, which runs can ask for. */
  labels: readonly string[]
  database: Queries
  /** Connections that no other statement can block. */
  urgent: Queries
  stopping: AbortSignal
  log: Logger
}

/** Shows peers that this process lives, and notices when they may have taken its leases. */
export interface Heartbeat {
  /** Beats once. Call it before the process takes any lease. */
  beat(): Promise<Sights>
  /**
   * Checks before a step begins that this process still has the lease, if peers may have declared it dead: the new
   * owner may have recorded that step long ago. Returns no promise if it need not ask. Throws Fenced.
   */
  confirm(lease: LeaseRef): Promise<void> | undefined
  /** Adds a question to every beat from now on. */
  lookFor(look: Look): void
  /** Beats until the returned function is called, which forgets the process if it has no lease left. */
  keepBeating(options: {
    everyMs: number
    /** Checks which leases were lost, after a time without beats. */
    findLost(): Promise<void>
    onSights(sights: Sights): void
  }): () => Promise<void>
}

const isDead = `beat_at < now() - interval '${deadMs} milliseconds'`

const confirmLease = queryOne(
  'confirm_lease',
  { epoch: int },
  'select epoch from leases where id = $1',
  (id: string) => [id],
)

export const makeHeartbeat = (deps: HeartbeatDeps): Heartbeat => {
  const { executor, labels, database, urgent, stopping, log } = deps
  const queued = isQueued(queuesFor(labels))
  const looks: Look[] = []
  /**
   * When (`performance.now()`) the last successful beat was sent: until then no peer had taken a lease of this process.
   */
  let beatenMs = performance.now()

  const beat = async (): Promise<Sights> => {
    const asked = [...looks]
    const conditions = asked.map(
      ({ condition }, index) => `, ${condition(`$${index + 3}::timestamptz`)} as look_${index}`,
    )
    const [sights] = await urgent.rows<Sights & Record<`look_${number}`, boolean>>(
      `beat_${asked.length}`,
      `with beat as (
         insert into executors (id, labels) values ($1, $2) on conflict (id) do update set beat_at = now(), labels = $2)
       select ${queued} as queued,
         exists (select from runs where ${isDue}) as due,
         exists (select from executors where id <> $1 and ${isDead}) as dead${conditions.join('')}`,
      [executor, labels, ...asked.map(({ now }) => now())],
    )
    for (const [index, look] of asked.entries()) if (sights?.[`look_${index}`]) look.onSeen()
    return sights ?? { queued: false, due: false, dead: false }
  }

  /** Whether this process was paused or disconnected for so long that peers may have taken its leases. */
  const mayBeThoughtDead = (): boolean => performance.now() - beatenMs > trustedMs

  const askForLease = async (lease: LeaseRef): Promise<void> => {
    const row = await confirmLease(database, lease.id)
    if (row?.epoch !== lease.epoch) throw new Fenced(lease.id)
  }

  return {
    beat,
    lookFor: (look) => void looks.push(look),

    confirm(lease) {
      if (lease.lost) throw new Fenced(lease.id)
      return mayBeThoughtDead() ? askForLease(lease) : undefined
    },

    keepBeating({ everyMs, findLost, onSights }) {
      // Peers are judged only after an unbroken streak of own beats longer than the dead time: after an outage of
      // Postgres every beat is old.
      let streakFrom = Date.now()
      let last = Date.now()
      let beating: Promise<void> | undefined
      const beatAndLook = async (): Promise<void> => {
        const begun = Date.now()
        const sentMs = performance.now()
        if (begun - last > 3 * beatMs || begun < last) streakFrom = begun // frozen, or its clock was set back
        try {
          const sights = await beat()
          if (mayBeThoughtDead()) await findLost()
          beatenMs = sentMs
          onSights(sights)
          const now = Date.now()
          if (now - begun > 2 * beatMs) streakFrom = now
          last = now
          if (sights.dead && now - streakFrom > deadMs) await reap(deps)
        } catch (error) {
          streakFrom = Date.now()
          log.debug({ err: error }, 'heartbeat missed')
        }
        beating = undefined
      }
      const timer = setInterval(() => {
        if (!stopping.aborted) beating ??= beatAndLook()
      }, everyMs)
      return async () => {
        clearInterval(timer)
        await beating
        const text = 'delete from executors where id = $1 and not exists (select from leases where owner = $1)'
        await urgent.rows('leave_executors', text, [executor]).catch(() => {}) // peers will take it for dead
      }
    },
  }
}

const deadExecutors = query(
  'dead_executors',
  { id: text },
  `select id from executors where ${isDead} and id <> $1`,
  (executor: string) => [executor],
)

/**
 * Queues the leases of dead processes again, then deletes their rows. The row goes last: if this process dies in
 * between, another one repeats the work.
 */
const reap = async ({ database, executor, log }: HeartbeatDeps): Promise<void> => {
  const dead = await deadExecutors(database, executor)
  for (const { id } of dead) {
    const leases = await queueLeasesOfDead(database, id)
    const forgotten = await database.rows(
      'forget_executor',
      `delete from executors where ${isDead} and id = $1 returning 1`,
      [id],
    )
    if (forgotten.length === 0) continue
    log.warn({ executor: id, leases }, 'a process stopped without a word; its leases are handed out again')
  }
}
