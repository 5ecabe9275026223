import { createTestDatabase } from '../../database.ts'
import { check } from '../harness/checker.ts'
import { makeClient } from '../harness/client.ts'
import { fan, fanTask, faultsOfFan, startFan } from '../harness/fan.ts'
import { openGate } from '../harness/gate.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import { makeSite } from '../harness/site.ts'
import { starts, tell, until, untilAllEnded } from '../harness/storm.ts'

export interface FanOutWorkersSize {
  children: number
}

/** Of the children that are made once there are three workers, each must get so many of a hundred. */
const leastShare = 10
const atOnce = 30

/** Two more workers take their share of a fan-out's children; then two of the three are killed, and all complete. */
export const fanOutWorkers = async ({ children }: FanOutWorkersSize): Promise<string[]> => {
  const name = 'fan-out, three workers'
  const random = seeded(name)
  const database = await createTestDatabase()
  const site = makeSite(database.url)
  const client = makeClient()
  const faults: string[] = []
  try {
    const api = site.spawn({ JETTY_ROLE: 'api' })
    const url = await api.ready
    const workers = [site.spawn({ JETTY_ROLE: 'worker' })]
    await workers[0]?.ready
    await client.setUp(url, {
      leaf: chain(1, { from: 20, to: 60, activities: { 0: 'gated' } }),
      [fanTask]: fan(atOnce),
    })
    const items = starts(random, children)
    const id = await startFan(client, url, items)
    await until('the first children', () => site.traces('begins').length >= atOnce)
    workers.push(site.spawn({ JETTY_ROLE: 'worker' }), site.spawn({ JETTY_ROLE: 'worker' }))
    await Promise.all(workers.map((worker) => worker.ready))
    openGate(site)
    const alone = site.traces('effects').length
    await until('most of the children', () => site.traces('effects').length > alone + (children - alone) * 0.6)
    const shared = site.traces('effects').slice(alone)
    const shares = workers.map(({ pid }) =>
      Math.round((shared.filter((one) => one.pid === pid).length / shared.length) * 100),
    )
    if (Math.min(...shares) < leastShare) faults.push(`the workers had ${shares.join(', ')} of a hundred children`)
    const [spared, ...victims] = random.next() < 0.5 ? workers.toReversed() : workers
    await Promise.all(victims.map((victim) => victim.kill()))
    const left = children - site.traces('effects').length
    const settledMs = await untilAllEnded(site)
    faults.push(...(await faultsOfFan(site, client, url, id, items)))
    const lost = new Set(victims.map(({ pid }) => pid))
    const report = await check(site, { acked: client.acked, lengths: { leaf: 1 }, lost })
    tell(name, report, { children, shares, left, spared: spared?.pid, settledMs })
    return [...faults, ...report.violations]
  } finally {
    await site.close()
    await database.drop()
  }
}
