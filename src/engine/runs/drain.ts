import { pause } from '../../lib/time.ts'
import type { EngineContext } from '../context.ts'
import { type Dispatcher, handOver } from '../leases/dbos.ts'
import type { Leases } from '../leases/leases.ts'

/** No new work; what runs gets `seconds`; the rest goes back on the queue, where the next start or a peer finds it. */
export const drain = async (
  engine: EngineContext,
  leases: Leases,
  stopper: AbortController,
  seconds: number,
  dispatcher: Dispatcher | undefined,
): Promise<void> => {
  stopper.abort()
  dispatcher?.stopPolling()
  const deadline = performance.now() + seconds * 1000
  while (engine.slots.used > 0 && performance.now() < deadline) await pause(20)
  for (const run of engine.live.values()) for (const interrupt of [...run.interrupts]) interrupt()
  while (engine.live.size > 0 && performance.now() < deadline + 1_000) await pause(5)
  await idleUntil(engine, deadline + 1_000)
  if (!dispatcher) return
  for (let round = 0; round < 20; round++) {
    const moved = await handOver(engine.database, engine.executor, true).catch(() => 0)
    if (moved === 0 && round > 0) break
  }
  engine.log.debug({ leases: leases.local.size }, 'leases handed over')
}

/** Waits for the journal, which has no end while Postgres is away: then the next owner of the runs goes on. */
const idleUntil = async ({ journal }: EngineContext, deadlineMs: number): Promise<void> => {
  const idle = new AbortController()
  const late = pause(Math.max(0, deadlineMs - performance.now()), idle.signal)
  await Promise.race([journal.idle(), late])
  idle.abort()
}
