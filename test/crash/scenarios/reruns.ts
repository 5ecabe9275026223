import { pause } from '../../../src/lib/time.ts'
import { check } from '../harness/checker.ts'
import { type Acked, collection, makeClient } from '../harness/client.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import { makeSite } from '../harness/site.ts'
import { starts, tell, untilAllEnded } from '../harness/storm.ts'
import { startVictim } from '../harness/victim.ts'

const length = 8

/**
 * Reruns from the middle while the process is killed, every second time with Postgres: each is one run, whose carried
 * steps are there once and never executed, and whose other steps are executed as those of any run.
 */
export const reruns = async ({ kills, runs }: { kills: number; runs: number }): Promise<string[]> => {
  const name = 'reruns'
  const random = seeded(name)
  const site = makeSite()
  const client = makeClient()
  const faults: string[] = []
  try {
    const victim = await startVictim(site)
    await client.setUp(victim.url, { chain: chain(length, { from: 5, to: 60 }) })
    await client.startMany(victim.url, 'chain', starts(random, runs))
    await untilAllEnded(site)
    const left = [...client.acked]
    const insist = async (run: Acked, from: number): Promise<void> => {
      for (;;) {
        const path = `/trajectory/${collection}/${run.task}/${run.trajectoryId}/rerun`
        const body = { from_step: `s${from}` }
        const trajectoryId = (await client.postOnce(victim.url, path, body, `again-${run.trajectoryId}`))?.trajectory_id
        if (trajectoryId) return void client.acked.push({ ...run, trajectoryId })
        await pause(50)
      }
    }
    const one = async () => {
      for (let next = left.shift(); next; next = left.shift()) await insist(next, random.between(1, length - 1))
    }
    const clients = Promise.all(Array.from({ length: 4 }, one))
    await victim.killOften(kills, async (kill) => {
      const goal = (left.length * (kills - kill)) / (kills - kill + 1)
      while (left.length > goal) await pause(1)
    })
    await clients
    await untilAllEnded(site)
    const [row] = await site.rows<{ runs: number; carried: number }>(
      `select count(distinct r.id)::int runs, count(s.origin)::int carried from runs r left join steps s on s.run_id = r.id
       where r.params is not null and r.name = $1`,
      [`${collection}/chain`],
    )
    if (row?.runs !== runs) faults.push(`${runs} runs were rerun as ${row?.runs}`)
    const report = await check(site, { acked: client.acked, lengths: { chain: length }, lost: victim.pids })
    tell(name, report, { carried: row?.carried })
    return [...faults, ...report.violations]
  } finally {
    await site.close()
  }
}
