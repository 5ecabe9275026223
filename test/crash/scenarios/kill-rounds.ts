import { pause } from '../../../src/lib/time.ts'
import { check, type Moment, momentOf } from '../harness/checker.ts'
import { makeClient } from '../harness/client.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import { makeSite } from '../harness/site.ts'
import { lateEffects, openRuns, starts, tell, untilAllEnded } from '../harness/storm.ts'

export interface KillRoundsSize {
  rounds: number
  /** Runs in flight at every kill. */
  runs: number
  steps: number
}

/** Kills the server at random moments while runs are in flight and more arrive; every second time Postgres too. */
export const killRounds = async ({ rounds, runs, steps }: KillRoundsSize): Promise<string[]> => {
  const name = 'kill rounds'
  const random = seeded(name)
  const site = makeSite()
  const client = makeClient()
  try {
    let server = site.spawn()
    let url = await server.ready
    await client.setUp(url, { chain: chain(steps) })
    const lost = new Set<number>()
    const moments: Moment[] = []
    const inFlight: number[] = []
    const startMs: number[] = []
    for (let round = 0; round < rounds; round++) {
      const arriving = client.startMany(url, 'chain', starts(random, Math.max(20, runs - (await openRuns(site)))))
      if (round % 4 < 2) await arriving // else it is killed while they arrive
      await pause(random.between(60, 560))
      lost.add(server.pid)
      await server.kill()
      if (round % 2 === 1) site.killPostgres()
      await arriving
      const begun = Date.now()
      server = site.spawn()
      url = await server.ready
      startMs.push(Date.now() - begun)
      inFlight.push(await openRuns(site))
      moments.push(await momentOf(site))
    }
    const settledMs = await untilAllEnded(site)
    const report = await check(site, { acked: client.acked, lengths: { chain: steps }, lost })
    const longestStartMs = Math.max(...startMs)
    tell(name, report, { acked: client.acked.length, inFlight, longestStartMs, settledMs })
    return [...report.violations, ...lateEffects(site, moments)]
  } finally {
    await site.close()
  }
}
