import { pause } from '../../../src/lib/time.ts'
import { check } from '../harness/checker.ts'
import { type Acked, collection, makeClient } from '../harness/client.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import { adminToken, makeSite } from '../harness/site.ts'
import { starts, tell, untilAllEnded } from '../harness/storm.ts'

const length = 8

/** Runs a run once more from a step on; undefined where no answer came, or one that says to try again. */
const rerun = async (url: string, { task, trajectoryId }: Acked, fromStep: string): Promise<string | undefined> => {
  const response = await fetch(`${url}/api/v1/trajectory/${collection}/${task}/${trajectoryId}/rerun`, {
    method: 'POST',
    body: JSON.stringify({ from_step: fromStep }),
    headers: {
      authorization: `Bearer ${adminToken}`,
      'content-type': 'application/json',
      'idempotency-key': `again-${trajectoryId}`,
    },
    signal: AbortSignal.timeout(20_000),
  }).catch(() => undefined)
  const text = await response?.text().catch(() => undefined)
  return response?.status === 200 && text ? (JSON.parse(text) as { trajectory_id: string }).trajectory_id : undefined
}

/**
 * Reruns from the middle while the process is killed, every second time with Postgres: each is one run, whose carried
 * steps are there once and never executed, and whose other steps are executed as those of any run.
 */
export const reruns = async ({ kills, runs }: { kills: number; runs: number }): Promise<string[]> => {
  const name = 'reruns'
  const random = seeded(name)
  const site = makeSite()
  const client = makeClient()
  const lost = new Set<number>()
  const faults: string[] = []
  try {
    let server = site.spawn()
    let url = await server.ready
    await client.setUp(url, { chain: chain(length, { from: 5, to: 60 }) })
    await client.startMany(url, 'chain', starts(random, runs))
    await untilAllEnded(site)
    const left = [...client.acked]
    const insist = async (run: Acked, from: number): Promise<void> => {
      for (;;) {
        const trajectoryId = await rerun(url, run, `s${from}`)
        if (trajectoryId) return void client.acked.push({ ...run, trajectoryId })
        await pause(50)
      }
    }
    const one = async () => {
      for (let next = left.shift(); next; next = left.shift()) await insist(next, random.between(1, length - 1))
    }
    const clients = Promise.all(Array.from({ length: 4 }, one))
    for (let kill = 0; kill < kills; kill++) {
      const goal = (left.length * (kills - kill)) / (kills - kill + 1)
      while (left.length > goal) await pause(1)
      lost.add(server.pid)
      await server.kill()
      if (kill % 2 === 1) site.killPostgres()
      server = site.spawn()
      url = await server.ready
    }
    await clients
    await untilAllEnded(site)
    const [row] = await site.rows<{ runs: number; carried: number }>(
      `select count(distinct r.id)::int runs, count(s.origin)::int carried from runs r left join steps s on s.run_id = r.id
       where r.params is not null and r.name = $1`,
      [`${collection}/chain`],
    )
    if (row?.runs !== runs) faults.push(`${runs} runs were rerun as ${row?.runs}`)
    const report = await check(site, { acked: client.acked, lengths: { chain: length }, lost })
    tell(name, report, { carried: row?.carried })
    return [...faults, ...report.violations]
  } finally {
    await site.close()
  }
}
