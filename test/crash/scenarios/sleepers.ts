import { check } from '../harness/checker.ts'
import { makeClient } from '../harness/client.ts'
import { chain } from '../harness/pure.ts'
import { makeSite } from '../harness/site.ts'
import { tell, until, untilAllEnded } from '../harness/storm.ts'

/** For the rest of them; suspects would sleep eight at a time, one after another. */
const tidySeconds = 25

/**
 * Runs that sleep in memory, for less than the minute from which they are parked, while the process dies again and
 * again: sleeping is no crime. Nobody is suspected, none waits for another, and none fails.
 */
export const sleepers = async (sizes: { runs: number; seconds: number; kills: number }): Promise<string[]> => {
  const site = makeSite()
  const client = makeClient()
  const faults: string[] = []
  try {
    let server = site.spawn()
    const url = await server.ready
    const nap = chain(3)
    const sleeping = { activity: 'sleep', seconds: sizes.seconds }
    const step_configs = {
      ...nap.step_configs,
      s1: sleeping,
      s2: { ...nap.step_configs?.s2, value_path: 's0.outputs.value' },
    }
    await client.setUp(url, { nap: { ...nap, step_configs } })
    for (let start = 1; start <= sizes.runs; start++) await client.start(url, 'nap', start)
    const asleep = async () => {
      const [row] = await site.rows<{ asleep: number }>(
        'select count(*)::int asleep from steps where seq = 1 and wake_at is not null and ended_at is null',
      )
      return row?.asleep ?? 0
    }
    await until('all runs to sleep', async () => (await asleep()) === sizes.runs)
    const lost = new Set<number>()
    for (let kill = 0; kill < sizes.kills; kill++) {
      lost.add(server.pid)
      await server.kill()
      server = site.spawn()
      await server.ready
    }
    const begun = Date.now()
    const settledMs = await untilAllEnded(site)
    if (Date.now() - begun > (sizes.seconds + tidySeconds) * 1000)
      faults.push(`they slept for ${settledMs} ms after the last kill`)
    const runs = await site.rows<{ status: string; deaths: number; attempt: number }>(
      `select r.status, r.deaths, s.attempt from runs r join steps s on s.run_id = r.id and s.seq = 1
       where r.name = 'crash/nap'`,
    )
    const wrong = runs.filter((run) => run.status !== 'completed' || run.attempt !== 1)
    if (runs.length !== sizes.runs || wrong.length > 0) faults.push(JSON.stringify(wrong))
    const report = await check(site, { acked: client.acked, lengths: { nap: 3 }, lost })
    // The sleeping step has no effect of its own, and its outputs are not a chain's.
    const others = report.violations.filter((fault) => !/^C[36]:/.test(fault))
    tell('sleepers', { ...report, violations: others }, { settledMs })
    return [...faults, ...others]
  } finally {
    await site.close()
  }
}
