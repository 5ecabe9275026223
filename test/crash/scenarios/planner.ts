import { setTimeout as delay } from 'node:timers/promises'
import { makeClient } from '../harness/client.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import { makeSite, type Site } from '../harness/site.ts'
import { openRuns, starts, until } from '../harness/storm.ts'

export interface PlannerSize {
  /** Runs that are open all the time, asleep. */
  open: number
  /** Runs that are executed beside them, before and after an ANALYZE. */
  runs: number
}

interface Reads {
  scans: number
  /** Rows of `runs` that whole scans have read. */
  scanned: number
  /** Rows that all its indexes have led to. */
  fetched: number
}

const readsNow = async (site: Site): Promise<Reads> => {
  await delay(1_500) // sessions report what they did a second later
  const [reads] = await site.rows<Reads>(
    `select t.seq_scan::int scans, t.seq_tup_read::int scanned,
       (select sum(idx_tup_read)::int from pg_stat_user_indexes where relname = 'runs') fetched
     from pg_stat_user_tables t where relname = 'runs'`,
  )
  return reads ?? { scans: 0, scanned: 0, fetched: 0 }
}

const steps = 5
/** Index entries of `runs` that one run may cost over its life, all queries about it included. */
const mostFetchedPerRun = 60

/**
 * With many open runs and fresh statistics the planner must not scan them for every entry of a commit: what the
 * database read of `runs` is counted, so that the answer does not hang on how fast the machine is.
 */
export const planner = async ({ open, runs }: PlannerSize): Promise<string[]> => {
  const name = 'planner'
  const random = seeded(name)
  const site = makeSite()
  const client = makeClient()
  const faults: string[] = []
  try {
    const server = site.spawn()
    const url = await server.ready
    await client.setUp(url, {
      nap: { init_params: {}, steps: ['s0'], step_configs: { s0: { activity: 'sleep', seconds: 3000 } } },
      chain: chain(steps, { from: 1, to: 10 }),
    })
    let wanted = 0
    const load = async () => {
      wanted += runs
      const before = await readsNow(site)
      const begun = performance.now()
      await client.startMany(url, 'chain', starts(random, runs), 64)
      await until('the runs to end', async () => (await endedChains(site)) === wanted, 120_000)
      const seconds = (performance.now() - begun) / 1000
      const after = await readsNow(site)
      return {
        perSecond: Math.round(runs / seconds),
        fetched: Math.round((after.fetched - before.fetched) / runs),
        scanned: after.scanned - before.scanned,
      }
    }
    const empty = await load()
    await client.startMany(url, 'nap', starts(random, open), 64)
    const few = await openRuns(site)
    if (few < open) faults.push(`only ${few} of ${open} runs are open`)
    await site.rows('analyze runs; analyze steps; analyze leases')
    const full = await load()
    await site.rows('analyze runs; analyze steps; analyze leases')
    const again = await load()
    console.log(`${name}:`, JSON.stringify({ open: await openRuns(site), empty, full, again }))
    const [ended] = await site.rows<{ completed: number }>(
      `select count(*)::int completed from runs where name = 'crash/chain' and status = 'completed'`,
    )
    if (ended?.completed !== 3 * runs) faults.push(`only ${ended?.completed} of ${3 * runs} runs are completed`)
    for (const [when, { fetched, scanned }] of Object.entries({ full, again })) {
      if (fetched > Math.max(mostFetchedPerRun, 3 * empty.fetched))
        faults.push(`${when}: ${fetched} entries read a run`)
      if (scanned > open) faults.push(`${when}: whole scans read ${scanned} rows`)
    }
    return faults
  } finally {
    await site.close()
  }
}

/** Asked of `steps`, so that the question itself reads nothing of `runs`. */
const endedChains = async (site: Site): Promise<number> => {
  const [row] = await site.rows<{ ended: number }>(
    'select count(*)::int ended from steps where seq = $1 and ended_at is not null',
    [steps - 1],
  )
  return row?.ended ?? 0
}
