import { createTestDatabase } from '../../database.ts'
import { openLossyPostgres } from '../../fakes/lossy-postgres.ts'
import { check } from '../harness/checker.ts'
import { makeClient } from '../harness/client.ts'
import { fan, fanTask, faultsOfFan, startFan } from '../harness/fan.ts'
import { openGate } from '../harness/gate.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import { makeSite } from '../harness/site.ts'
import { starts, tell, until, untilAllEnded } from '../harness/storm.ts'

export interface LostAnswersSize {
  runs: number
  steps: number
  children: number
  /** Share of the answers to committed statements that the workers never get. */
  share: number
}

const leastLost = 20

/**
 * Two workers lose answers of PostgreSQL to what was committed: they took leases, wrote steps and ended runs without
 * hearing of it. Every run completes, no step is executed twice, and no lease is left.
 */
export const lostAnswers = async ({ runs, steps, children, share }: LostAnswersSize): Promise<string[]> => {
  const name = 'lost answers'
  const random = seeded(name)
  const database = await createTestDatabase()
  const proxy = await openLossyPostgres(database.url)
  const site = makeSite(database.url)
  const client = makeClient()
  const faults: string[] = []
  try {
    const url = await site.spawn({ JETTY_ROLE: 'api' }).ready
    const worker = { JETTY_ROLE: 'worker', DATABASE_URL: proxy.url }
    const workers = [site.spawn(worker), site.spawn(worker)]
    await Promise.all(workers.map(({ ready }) => ready))
    await client.setUp(url, {
      chain: chain(steps, { from: 5, to: 40 }),
      leaf: chain(1, { from: 5, to: 40, activities: { 0: 'gated' } }),
      [fanTask]: fan(20),
    })
    openGate(site)
    proxy.lose(/./, Number.POSITIVE_INFINITY, () => random.next() < share)
    const items = starts(random, children)
    const [id] = await Promise.all([
      startFan(client, url, items),
      client.startMany(url, 'chain', starts(random, runs), 8),
    ])
    const settledMs = await untilAllEnded(site)
    const { lost } = proxy
    proxy.lose(/./, 0)
    if (lost < leastLost) faults.push(`only ${lost} answers were lost: nothing was tried`)
    const leasesLeft = async () =>
      (await site.rows<{ left: number }>('select count(*)::int as left from leases'))[0]?.left ?? 0
    // A worker that was asked for no run itself holds none.
    await until('no lease is left', async () => (await leasesLeft()) === 0, 60_000, 200)
    faults.push(...(await faultsOfFan(site, client, url, id, items)))
    const report = await check(site, { acked: client.acked, lengths: { chain: steps, leaf: 1 }, lost: new Set() })
    tell(name, report, { acked: client.acked.length, lost, settledMs })
    if (report.repeats > 0) faults.push(`${report.repeats} steps were executed again`)
    return [...faults, ...report.violations]
  } finally {
    await site.close()
    await proxy.close()
    await database.drop()
  }
}
