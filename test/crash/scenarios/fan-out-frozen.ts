import { pause } from '../../../src/lib/time.ts'
import { createTestDatabase } from '../../database.ts'
import { check } from '../harness/checker.ts'
import { makeClient } from '../harness/client.ts'
import { fan, fanTask, faultsOfFan, startFan } from '../harness/fan.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import { makeSite } from '../harness/site.ts'
import { starts, tell, until, untilAllEnded } from '../harness/storm.ts'

/**
 * A worker that has a fan-out and most of its children is frozen until another has all of it, then thawed: it begins none
 * of the children that had no place yet, and starts no other.
 */
export const fanOutFrozen = async ({ children }: { children: number }): Promise<string[]> => {
  const name = 'fan-out, frozen'
  const random = seeded(name)
  const database = await createTestDatabase()
  const site = makeSite(database.url)
  const client = makeClient()
  try {
    const url = await site.spawn({ JETTY_ROLE: 'api' }).ready
    const victim = site.spawn({ JETTY_ROLE: 'worker' })
    await victim.ready
    await client.setUp(url, { leaf: chain(1, { from: 100, to: 300 }), [fanTask]: fan(20) })
    const items = starts(random, children)
    const id = await startFan(client, url, items)
    await until('the first children', () => site.traces('effects').length > children / 10)
    victim.freeze()
    await pause(1_000) // a statement that it had sent may still be executed
    const frozenAt = Date.now()
    const heir = site.spawn({ JETTY_ROLE: 'worker' })
    await heir.ready
    const takenMs = await until('the other worker to go on', () =>
      site.traces('effects').some((effect) => effect.pid === heir.pid),
    )
    victim.thaw()
    const settledMs = await untilAllEnded(site)
    await pause(1_000) // whatever the thawed worker still had to say
    const faults = await faultsOfFan(site, client, url, id, items)
    const report = await check(site, {
      acked: client.acked,
      lengths: { leaf: 1 },
      lost: new Set([victim.pid]),
      frozen: new Map([[victim.pid, frozenAt]]),
    })
    tell(name, report, { children, takenMs, settledMs })
    if (!victim.alive) faults.push('the thawed worker died')
    return [...faults, ...report.violations]
  } finally {
    await site.close()
    await database.drop()
  }
}
