import { pause } from '../../../src/lib/time.ts'
import { check } from '../harness/checker.ts'
import { type Acked, makeClient } from '../harness/client.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import { makeSite } from '../harness/site.ts'
import { openRuns, starts, tell, until, untilAllEnded } from '../harness/storm.ts'

export interface PostgresKilledSize {
  kills: number
  runs: number
  steps: number
}

/** Kills more than were asked for, until a read has met one. */
const mostMore = 5

/** Postgres dies again and again under a living server: it says so, survives, and nothing is repeated or lost. */
export const postgresKilled = async ({ kills, runs, steps }: PostgresKilledSize): Promise<string[]> => {
  const name = 'Postgres killed'
  const random = seeded(name)
  const site = makeSite()
  const client = makeClient()
  const faults: string[] = []
  try {
    const server = site.spawn()
    const url = await server.ready
    await client.setUp(url, { chain: chain(steps) })
    await client.startMany(url, 'chain', starts(random, runs))
    const answers = new Map<number, number>()
    const note = (status: number) => answers.set(status, (answers.get(status) ?? 0) + 1)

    /** Reads without a pause: what a client sees before, during and after an outage. */
    let watching = true
    const watch = async (run: Acked) => {
      while (watching) {
        const reply = await client
          .get(url, run)
          .catch((error) => ({ status: 0, retryAfter: null, body: String(error) }))
        note(reply.status)
        if (reply.status === 503 && !(Number(reply.retryAfter) > 0)) faults.push('a 503 came without Retry-After')
        if (reply.status !== 200 && reply.status !== 503) {
          faults.push(`a read answered ${reply.status}: ${JSON.stringify(reply.body)}`)
        }
        await pause(5)
      }
    }
    const watchers = client.acked.slice(0, 2).map(watch)

    const awayMs: number[] = []
    // Where this process stood still while Postgres was away nothing was seen of it: once more.
    for (let kill = 0; kill < kills || (!answers.get(503) && kill < kills + mostMore); kill++) {
      await client.startMany(url, 'chain', starts(random, Math.max(0, runs - (await openRuns(site)))))
      await pause(random.between(0, 300))
      if (!site.killPostgres()) faults.push('Postgres was not there to be killed')
      const away = Date.now()
      const arriving = client.startMany(url, 'chain', starts(random, 10), 2)
      await until('Postgres to be back', async () => (await openRuns(site)) >= 0)
      awayMs.push(Date.now() - away)
      await arriving
    }
    const settledMs = await untilAllEnded(site)
    watching = false
    await Promise.all(watchers)
    const report = await check(site, { acked: client.acked, lengths: { chain: steps }, lost: new Set() })
    const refused = Object.fromEntries(client.others)
    const reads = Object.fromEntries(answers)
    tell(name, report, { acked: client.acked.length, refused, reads, longestAwayMs: Math.max(...awayMs), settledMs })
    if (!server.alive) faults.push('the server died')
    if (report.repeats > 0) faults.push(`${report.repeats} steps were repeated although no process died`)
    if (!answers.get(503)) faults.push('no read was answered with 503')
    for (const status of client.others.keys()) if (status !== 503) faults.push(`a start was answered with ${status}`)
    const { code } = await server.stop()
    if (code !== 0) faults.push(`exit code ${code}`)
    return [...new Set([...faults, ...report.violations])]
  } finally {
    await site.close()
  }
}
