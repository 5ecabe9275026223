import { pause } from '../../../src/lib/time.ts'
import { createTestDatabase } from '../../database.ts'
import { type CheckedStep, check, recordedSteps } from '../harness/checker.ts'
import { makeClient } from '../harness/client.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import { makeSite } from '../harness/site.ts'
import { starts, tell, until, untilAllEnded } from '../harness/storm.ts'

export interface WorkerFrozenSize {
  runs: number
  steps: number
}

interface Held {
  run: string
  lease: string
  epoch: number
  owner: string
}

const isSame = (a: CheckedStep | undefined, b: CheckedStep): boolean => JSON.stringify(a) === JSON.stringify(b)

/**
 * A worker is frozen until the other has taken its runs over, then thawed in the middle of its steps: they end, but
 * nothing of them is written, and no other step begins. The epochs of the recorded steps prove who wrote them.
 */
export const workerFrozen = async ({ runs, steps }: WorkerFrozenSize): Promise<string[]> => {
  const name = 'worker frozen'
  const random = seeded(name)
  const database = await createTestDatabase()
  const site = makeSite(database.url)
  const client = makeClient()
  try {
    const url = await site.spawn({ JETTY_ROLE: 'api' }).ready
    const [victim, heir] = [site.spawn({ JETTY_ROLE: 'worker' }), site.spawn({ JETTY_ROLE: 'worker' })] as const
    await Promise.all([victim.ready, heir.ready])
    await client.setUp(url, { chain: chain(steps, { from: 10, to: 200 }) })
    await client.startMany(url, 'chain', starts(random, runs), 8)
    const hasWork = (pid: number) => site.traces('begins').some((begin) => begin.pid === pid)
    await until('work at both workers', () => hasWork(victim.pid) && hasWork(heir.pid))
    await pause(random.between(0, 300))

    victim.freeze()
    await pause(1_000) // a statement that it had sent may still be executed
    const frozenAt = Date.now()
    const lastBegin = new Map(site.traces('begins').map((begin) => [begin.run, begin.pid]))
    const open = await site.rows<Held>(
      `select r.id run, l.id lease, l.epoch, l.owner from runs r join leases l on l.id = r.lease
       where r.ended_at is null and l.owner <> ''`,
    )
    const held = open.filter(({ run }) => lastBegin.get(run) === victim.pid)
    const leases = [...new Set(held.map((one) => one.lease))]
    const takenMs = await until('the other worker to have every lease', async () => {
      const now = await site.rows<Held>('select id lease, epoch, owner from leases where id = any($1::text[])', [
        leases,
      ])
      return now.every((lease) => held.every((one) => one.lease !== lease.lease || one.epoch < lease.epoch))
    })
    await pause(random.between(0, 300))
    const atThaw = await recordedSteps(site)
    victim.thaw()
    const settledMs = await untilAllEnded(site)
    await pause(1_000) // whatever the thawed worker still had to say
    await client.startMany(url, 'chain', starts(random, runs), 8)
    await untilAllEnded(site)

    const report = await check(site, {
      acked: client.acked,
      lengths: { chain: steps },
      lost: new Set([victim.pid]),
      frozen: new Map([[victim.pid, frozenAt]]),
    })
    const faults = [...report.violations]
    const after = await recordedSteps(site)
    const afterByKey = new Map(after.map((step) => [`${step.run_id}/${step.seq}`, step]))
    for (const step of atThaw) {
      const now = afterByKey.get(`${step.run_id}/${step.seq}`)
      if (step.ended !== null && !isSame(now, step)) faults.push(`${step.run_id}/${step.seq} was overwritten`)
    }
    const epochOf = new Map(held.map((one) => [one.run, one.epoch]))
    const written = after.filter((step) => epochOf.has(step.run_id) && (step.ended ?? 0) > frozenAt)
    for (const step of written) {
      const isNewOwner = step.epoch > (epochOf.get(step.run_id) ?? 0) && step.outputs?.pid === heir.pid
      if (!isNewOwner) faults.push(`${step.run_id}/${step.seq} was written by the frozen worker, epoch ${step.epoch}`)
    }
    const wasted = site.traces('effects').filter((effect) => effect.pid === victim.pid && effect.ms > frozenAt)
    const worksAgain = wasted.some((effect) => !epochOf.has(effect.run))
    tell(name, report, { held: held.length, takenMs, settledMs, writtenByHeir: written.length, worksAgain })
    if (held.length === 0) faults.push('the frozen worker had no run: nothing was tried')
    if (!victim.alive) faults.push('the thawed worker died')
    return faults
  } finally {
    await site.close()
    await database.drop()
  }
}
