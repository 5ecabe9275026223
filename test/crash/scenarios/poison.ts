import { pause } from '../../../src/lib/time.ts'
import { createTestDatabase } from '../../database.ts'
import { check, runsOf } from '../harness/checker.ts'
import { makeClient } from '../harness/client.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import type { ServerProcess } from '../harness/server-process.ts'
import { makeSite } from '../harness/site.ts'
import { openRuns, starts, tell } from '../harness/storm.ts'

export interface PoisonSize {
  neighbours: number
  steps: number
  /** Servers at the same time; one: with the embedded Postgres. */
  processes: number
}

const longest = 480_000

/** One run takes its process with it, whoever has it: it alone fails, after ten deaths; its neighbours complete. */
export const poison = async ({ neighbours, steps, processes }: PoisonSize): Promise<string[]> => {
  const name = `poison, ${processes} process(es)`
  const random = seeded(name)
  const database = processes > 1 ? await createTestDatabase() : undefined
  const site = makeSite(database?.url)
  const client = makeClient()
  const faults: string[] = []
  try {
    const servers: ServerProcess[] = Array.from({ length: processes }, () => site.spawn())
    const urls = await Promise.all(servers.map((server) => server.ready))
    const url = urls[0] ?? ''
    const mild = { from: 100, to: 300 }
    await client.setUp(url, { chain: chain(steps, mild), poison: chain(3, { ...mild, activities: { 1: 'abort' } }) })
    const before = starts(random, neighbours >> 1)
    const after = starts(random, neighbours - before.length)
    await client.startMany(url, 'chain', before)
    const poisonous = await client.start(url, 'poison', random.between(1, 999_999))
    await client.startMany(url, 'chain', after)

    const lost = new Set<number>()
    const begun = Date.now()
    let deaths = 0
    while ((await openRuns(site)) > 0) {
      if (Date.now() - begun > longest) break
      for (const [at, server] of servers.entries()) {
        if (server.alive) continue
        const { signal } = await server.exited
        if (signal !== 'SIGABRT') faults.push(`a server ended by ${signal}`)
        lost.add(server.pid)
        deaths++
        servers[at] = site.spawn()
      }
      await pause(50)
    }
    const isPoison = (run: { trajectory_id: string }) => run.trajectory_id === poisonous?.trajectoryId
    const report = await check(site, {
      acked: client.acked,
      lengths: { chain: steps, poison: 3 },
      lost,
      statusOf: (run) => (isPoison(run) ? 'failed' : undefined),
    })
    const failed = (await runsOf(site)).find(isPoison)
    tell(name, report, { deaths, seconds: (Date.now() - begun) / 1000, error: failed?.error })
    if (!/process died 10 times at step 's1'/.test(failed?.error ?? '')) faults.push(`unclear: ${failed?.error}`)
    if (deaths < 10 || deaths > 12) faults.push(`${deaths} deaths until it failed`)
    return [...faults, ...report.violations]
  } finally {
    await site.close()
    await database?.drop()
  }
}
