import { pause } from '../../../src/lib/time.ts'
import { check, type Moment, momentOf } from '../harness/checker.ts'
import { makeClient } from '../harness/client.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import type { ServerProcess } from '../harness/server-process.ts'
import { makeSite, type Site } from '../harness/site.ts'
import { lateEffects, starts, tell, until, untilAllEnded } from '../harness/storm.ts'

export interface KillInRecoverySize {
  runs: number
  steps: number
}

const hasBegun = (site: Site, server: ServerProcess) => () =>
  site.traces('begins').some((begin) => begin.pid === server.pid)

/**
 * A server is killed with runs in flight, and three more in a row while they take them over: one before it is up, one
 * as soon as it has resumed the first step, one a moment later, together with Postgres.
 */
export const killInRecovery = async ({ runs, steps }: KillInRecoverySize): Promise<string[]> => {
  const name = 'kill in recovery'
  const random = seeded(name)
  const site = makeSite()
  const client = makeClient()
  try {
    let server = site.spawn()
    const url = await server.ready
    await client.setUp(url, { chain: chain(steps) })
    await client.startMany(url, 'chain', starts(random, runs))
    const lost = new Set<number>()
    const moments: Moment[] = []
    const kill = async () => {
      lost.add(server.pid)
      await server.kill()
      moments.push(await momentOf(site))
      server = site.spawn()
    }
    await kill()
    await pause(random.between(200, 450)) // it is starting: before, in, or just after its takeover
    await kill()
    const resumedMs = await until('the first resumed step', hasBegun(site, server))
    await kill()
    await until('the first resumed step', hasBegun(site, server))
    await pause(random.between(0, 100))
    lost.add(server.pid)
    await server.kill()
    site.killPostgres()
    server = site.spawn()
    const settledMs = await untilAllEnded(site)
    const report = await check(site, { acked: client.acked, lengths: { chain: steps }, lost })
    tell(name, report, { acked: client.acked.length, resumedMs, settledMs })
    return [...report.violations, ...lateEffects(site, moments)]
  } finally {
    await site.close()
  }
}
