import { check } from '../harness/checker.ts'
import { makeClient } from '../harness/client.ts'
import { fan, fanTask, faultsOfFan, startFan } from '../harness/fan.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import { makeSite } from '../harness/site.ts'
import { starts, tell, until, untilAllEnded } from '../harness/storm.ts'

export interface FanOutsSize {
  children: number
  /** At random moments; of three, one with Postgres, and one that is an orderly stop. */
  kills: number
}

/** A fan-out that is killed again and again: no child is lost or there twice, and the values stand in item order. */
export const fanOuts = async ({ children, kills }: FanOutsSize): Promise<string[]> => {
  const name = 'fan-outs'
  const random = seeded(name)
  const site = makeSite()
  const client = makeClient()
  const lost = new Set<number>()
  try {
    let server = site.spawn()
    let url = await server.ready
    await client.setUp(url, { leaf: chain(1, { from: 5, to: 60 }), [fanTask]: fan(40) })
    const items = starts(random, children)
    const id = await startFan(client, url, items)
    const moments = Array.from({ length: kills }, () => random.between(0, Math.floor(children * 0.9)))
    for (const [at, moment] of moments.sort((one, other) => one - other).entries()) {
      await until(`${moment} effects`, () => site.traces('effects').length >= moment)
      lost.add(server.pid)
      if (at % 3 === 2) await server.stop()
      else await server.kill()
      if (at % 3 === 1) site.killPostgres()
      server = site.spawn()
      url = await server.ready
    }
    const settledMs = await untilAllEnded(site)
    const faults = await faultsOfFan(site, client, url, id, items)
    const report = await check(site, { acked: client.acked, lengths: { leaf: 1 }, lost })
    tell(name, report, { children, kills, settledMs })
    return [...faults, ...report.violations]
  } finally {
    await site.close()
  }
}
