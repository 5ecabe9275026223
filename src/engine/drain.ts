import { pause } from '../lib/time.ts'
import type { EngineContext } from './context.ts'
import { type Dispatcher, handOver } from './dbos.ts'
import type { Leases } from './leases/leases.ts'

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
  const deadline = Date.now() + seconds * 1000
  while (engine.slots.used > 0 && Date.now() < deadline) await pause(20)
  for (const run of engine.live.values()) for (const interrupt of [...run.interrupts]) interrupt()
  while (engine.live.size > 0 && Date.now() < deadline + 1_000) await pause(5)
  await engine.journal.idle()
  if (!dispatcher) return
  for (let round = 0; round < 20; round++) {
    const moved = await handOver(engine.database, engine.executor, true).catch(() => 0)
    if (moved === 0 && round > 0) break
  }
  engine.log.debug({ leases: leases.local.size }, 'leases handed over')
}
