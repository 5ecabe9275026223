import { createTestDatabase } from '../../database.ts'
import { collection, makeClient } from '../harness/client.ts'
import { inconsistencies } from '../harness/orphans.ts'
import { chain } from '../harness/pure.ts'
import { makeSite } from '../harness/site.ts'
import { untilAllEnded } from '../harness/storm.ts'

export interface BulkCancelsSize {
  rounds: number
  runs: number
}

/** Many short runs are cancelled in one call while they end, and again in the opposite order by another call. */
export const bulkCancels = async ({ rounds, runs }: BulkCancelsSize): Promise<string[]> => {
  const database = await createTestDatabase()
  const site = makeSite(database.url)
  const client = makeClient()
  const faults: string[] = []
  try {
    const url = await site.spawn().ready
    await client.setUp(url, { quick: chain(1, { from: 0, to: 40 }) })
    const starts = Array.from({ length: runs }, (_, at) => at + 1)
    for (let round = 0; round < rounds; round++) {
      const before = client.acked.length
      await client.startMany(url, 'quick', starts, runs / 2)
      const ids = client.acked.slice(before).map((run) => run.trajectoryId)
      const answers = await Promise.all([ids, ids.toReversed()].map((order) => client.cancel(url, 'quick', order)))
      for (const { status, body } of answers) {
        if (status !== 200) faults.push(`a cancel in ${collection} answered ${status} ${JSON.stringify(body)}`)
      }
    }
    await untilAllEnded(site)
    return [...faults, ...(await inconsistencies(site))]
  } finally {
    await site.close()
    await database.drop()
  }
}
