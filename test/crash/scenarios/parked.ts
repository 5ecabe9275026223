import { check } from '../harness/checker.ts'
import { makeClient } from '../harness/client.ts'
import { chain } from '../harness/pure.ts'
import { makeSite } from '../harness/site.ts'
import { tell, until, untilAllEnded } from '../harness/storm.ts'

/** A run that sleeps for an hour survives kills, sleeping and waking; the database is told that the hour is over. */
export const parked = async (): Promise<string[]> => {
  const site = makeSite()
  const client = makeClient()
  const faults: string[] = []
  try {
    const first = site.spawn()
    const url = await first.ready
    const nap = chain(3)
    const sleeping = { activity: 'sleep', seconds: 3600 }
    const step_configs = {
      ...nap.step_configs,
      s1: sleeping,
      s2: { ...nap.step_configs?.s2, value_path: 's0.outputs.value' },
    }
    await client.setUp(url, { nap: { ...nap, step_configs } })
    for (let start = 1; start <= 20; start++) await client.start(url, 'nap', start)
    const parkedRuns = async () => {
      const [row] = await site.rows<{ parked: number }>(
        'select count(*)::int parked from runs where lease is null and ended_at is null and wake_at > now()',
      )
      return row?.parked ?? 0
    }
    await until('all runs to be parked', async () => (await parkedRuns()) === 20)
    await first.kill()
    site.killPostgres()
    const second = site.spawn()
    await second.ready
    if ((await parkedRuns()) !== 20) faults.push(`${await parkedRuns()} of 20 runs are still parked after the kill`)
    await site.rows(
      `with s as (update steps set started_at = started_at - interval '1 hour' where ended_at is null)
       update runs set wake_at = now() where ended_at is null`,
    )
    await until('the first to wake', () => site.traces('begins').some((begin) => begin.seq === 2))
    await second.kill()
    const third = site.spawn()
    await third.ready
    const settledMs = await untilAllEnded(site)
    const runs = await site.rows<{ status: string; steps: number; deaths: number; attempts: number }>(
      `select status, deaths, (select count(*)::int from steps where run_id = runs.id and status = 'completed') steps,
         (select attempt from steps where run_id = runs.id and seq = 1) attempts
       from runs where name = 'crash/nap'`,
    )
    if (runs.some((run) => run.status !== 'completed' || run.steps !== 3)) faults.push(JSON.stringify(runs))
    const report = await check(site, {
      acked: client.acked,
      lengths: { nap: 3 },
      lost: new Set([first.pid, second.pid]),
    })
    // The sleeping step has no effect of its own, and its outputs are not a chain's.
    const others = report.violations.filter((fault) => !/^C[36]:/.test(fault))
    tell('parked', { ...report, violations: others }, { settledMs })
    return [...faults, ...others]
  } finally {
    await site.close()
  }
}
