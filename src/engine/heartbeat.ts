import type { EngineContext } from './context.ts'
import { handOver } from './dbos.ts'

/** A process shows that it lives this often, and counts as dead after this long without. */
const beatMs = 1_000
const deadMs = 5_000

/** Must be there before the process takes any lease. */
export const beat = async (engine: EngineContext): Promise<void> => {
  await engine.database.rows(
    'beat',
    'insert into executors (id) values ($1) on conflict (id) do update set beat_at = now()',
    [engine.executor],
  )
}

/**
 * Beats, and puts the leases of processes that stopped beating back on the queue. Others are judged only after an
 * unbroken streak of own beats that is longer than the dead time: after an outage of Postgres every beat is old.
 */
export const keepBeating = (engine: EngineContext): (() => void) => {
  let streakFrom = Date.now()
  let last = Date.now()
  let busy = false
  const timer = setInterval(async () => {
    if (busy || engine.stopping.aborted) return
    busy = true
    const begun = Date.now()
    if (begun - last > 3 * beatMs) streakFrom = begun
    try {
      await beat(engine)
      const now = Date.now()
      if (now - begun > 2 * beatMs) streakFrom = now
      last = now
      if (now - streakFrom > deadMs) await reap(engine)
    } catch (error) {
      streakFrom = Date.now()
      engine.log.debug({ err: error }, 'heartbeat missed')
    }
    busy = false
  }, beatMs)
  return () => clearInterval(timer)
}

const reap = async (engine: EngineContext): Promise<void> => {
  const dead = await engine.database.rows<{ id: string }>(
    'dead_executors',
    `delete from executors where beat_at < now() - $1 * interval '1 millisecond' and id <> $2 returning id`,
    [deadMs, engine.executor],
  )
  for (const { id } of dead) {
    const leases = await handOver(engine.database, id, false)
    engine.log.warn({ executor: id, leases }, 'a process stopped without a word; its leases are handed out again')
  }
}
