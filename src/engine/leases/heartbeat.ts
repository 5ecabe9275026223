import type { EngineContext } from '../context.ts'
import { Fenced } from '../journal/journal.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import { isDue } from '../waits/park.ts'
import { handOver, isQueued } from './dbos.ts'
import type { Leases } from './leases.ts'

/** A process shows that it lives this often, and counts as dead after this long without. */
export const beatMs = 1_000
const deadMs = 5_000

/** What a beat saw while it was in the database anyway: an idle process asks for nothing else. */
export interface Sights {
  /** Leases wait on the queue. */
  queued: boolean
  /** The time of some parked runs has come. */
  due: boolean
  /** Another process has stopped beating. */
  dead: boolean
}

const isDead = `beat_at < now() - interval '${deadMs} milliseconds'`

/** Shows that this process lives. Must be there before it takes any lease. */
export const beat = async (engine: EngineContext): Promise<Sights> => {
  const looks = [...engine.looks]
  const asked = looks.map(({ condition }, index) => `, ${condition(`$${index + 2}::timestamptz`)} as look_${index}`)
  const [sights] = await engine.urgent.rows<Sights & Record<`look_${number}`, boolean>>(
    `beat_${looks.length}`,
    `with beat as (insert into executors (id) values ($1) on conflict (id) do update set beat_at = now())
     select ${isQueued} as queued,
       exists (select from runs where ${isDue}) as due,
       exists (select from executors where id <> $1 and ${isDead}) as dead${asked.join('')}`,
    [engine.executor, ...looks.map(({ now }) => now())],
  )
  for (const [index, look] of looks.entries()) if (sights?.[`look_${index}`]) look.onSeen()
  return sights ?? { queued: false, due: false, dead: false }
}

/** Was this process frozen, or cut off, for so long that others may have taken its leases? */
const mayBeThoughtDead = (engine: EngineContext): boolean => performance.now() - engine.beatenMs > deadMs - beatMs

/** Then it looks before it begins a step, which the new owner may have recorded long ago; throws Fenced. */
export const confirmLease = (engine: EngineContext, lease: LeaseRef): Promise<void> | undefined => {
  if (lease.lost) throw new Fenced(lease.id)
  return mayBeThoughtDead(engine) ? askForLease(engine, lease) : undefined
}

const askForLease = async (engine: EngineContext, lease: LeaseRef): Promise<void> => {
  const [row] = await engine.database.rows<{ epoch: number }>(
    'confirm_lease',
    'select epoch from leases where id = $1',
    [lease.id],
  )
  if (row?.epoch !== lease.epoch) throw new Fenced(lease.id)
}

/**
 * Beats, and puts the leases of processes that stopped beating back on the queue. Others are judged only after an
 * unbroken streak of own beats that is longer than the dead time: after an outage of Postgres every beat is old.
 */
export const keepBeating = (
  engine: EngineContext,
  leases: Leases,
  onSights: (sights: Sights) => void,
  everyMs: number,
): (() => void) => {
  let streakFrom = Date.now()
  let last = Date.now()
  let busy = false
  const timer = setInterval(async () => {
    if (busy || engine.stopping.aborted) return
    busy = true
    const begun = Date.now()
    const sentMs = performance.now()
    if (begun - last > 3 * beatMs || begun < last) streakFrom = begun // frozen, or its clock was set back
    try {
      const sights = await beat(engine)
      if (mayBeThoughtDead(engine)) await leases.findLost()
      engine.beatenMs = sentMs
      onSights(sights)
      const now = Date.now()
      if (now - begun > 2 * beatMs) streakFrom = now
      last = now
      if (sights.dead && now - streakFrom > deadMs) await reap(engine)
    } catch (error) {
      streakFrom = Date.now()
      engine.log.debug({ err: error }, 'heartbeat missed')
    }
    busy = false
  }, everyMs)
  return () => clearInterval(timer)
}

/** A dead process is forgotten after its leases are handed out: who dies in between has left it to the others. */
const reap = async (engine: EngineContext): Promise<void> => {
  const { database, executor, log } = engine
  const dead = await database.rows<{ id: string }>(
    'dead_executors',
    `select id from executors where ${isDead} and id <> $1`,
    [executor],
  )
  for (const { id } of dead) {
    const leases = await handOver(database, id, false)
    const forgotten = await database.rows(
      'forget_executor',
      `delete from executors where ${isDead} and id = $1 returning 1`,
      [id],
    )
    if (forgotten.length === 0) continue
    log.warn({ executor: id, leases }, 'a process stopped without a word; its leases are handed out again')
  }
}
