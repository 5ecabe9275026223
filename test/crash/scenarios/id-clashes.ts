import { createTestDatabase } from '../../database.ts'
import { check } from '../harness/checker.ts'
import { makeClient } from '../harness/client.ts'
import { fan, fanTask, faultsOfFan, startFan } from '../harness/fan.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import { makeSite } from '../harness/site.ts'
import { starts, tell, untilAllEnded } from '../harness/storm.ts'

/** Trajectory ids drawn from a few: most draws clash, begun here, queued for others, or made by a step; none fails. */
export const idClashes = async ({ runs }: { runs: number }): Promise<string[]> => {
  const name = 'id clashes'
  const random = seeded(name)
  const database = await createTestDatabase()
  const site = makeSite(database.url)
  const client = makeClient()
  try {
    const env = { CRASH_TRAJECTORY_IDS: String(Math.ceil(runs * 3.2)) }
    const [all, api] = [site.spawn(env), site.spawn({ ...env, JETTY_ROLE: 'api' })]
    const [here, queued] = await Promise.all([all.ready, api.ready])
    await client.setUp(here, {
      chain: chain(2, { from: 1, to: 20 }),
      leaf: chain(1, { from: 1, to: 20 }),
      [fanTask]: fan(5),
    })
    const items = starts(random, runs)
    const [id] = await Promise.all([
      startFan(client, here, items),
      client.startMany(here, 'chain', starts(random, runs), 64),
      client.startMany(queued, 'chain', starts(random, runs), 64),
    ])
    await untilAllEnded(site)
    const report = await check(site, { acked: client.acked, lengths: { chain: 2, leaf: 1 }, lost: new Set() })
    const distinct = new Set(client.acked.map((run) => run.trajectoryId)).size
    tell(name, report, { acked: client.acked.length, distinct, others: Object.fromEntries(client.others) })
    const faults = [...report.violations, ...(await faultsOfFan(site, client, here, id, items))]
    if (client.acked.length !== 2 * runs) faults.push(`only ${client.acked.length} of ${2 * runs} runs were taken`)
    if (distinct !== client.acked.length) faults.push('an id was given twice')
    return faults
  } finally {
    await site.close()
    await database.drop()
  }
}
