import { createTestDatabase } from '../../database.ts'
import { check } from '../harness/checker.ts'
import { makeClient } from '../harness/client.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import { makeSite } from '../harness/site.ts'
import { standstillsIn } from '../harness/standstills.ts'
import { starts, tell, until, untilAllEnded } from '../harness/storm.ts'

export interface WorkerKilledSize {
  runs: number
  steps: number
}

const mostSeconds = 10
/** Where one of them stood still for seconds itself: who did that thinks nobody dead for a while. */
const mostSecondsBusy = 60

/** Two workers share the runs that an API process takes in; one is killed, the other has its runs going in time. */
export const workerKilled = async ({ runs, steps }: WorkerKilledSize): Promise<string[]> => {
  const name = 'worker killed'
  const random = seeded(name)
  const database = await createTestDatabase()
  const site = makeSite(database.url)
  const client = makeClient()
  try {
    const api = site.spawn({ JETTY_ROLE: 'api' })
    const url = await api.ready
    const workers = [site.spawn({ JETTY_ROLE: 'worker' }), site.spawn({ JETTY_ROLE: 'worker' })] as const
    await Promise.all(workers.map((worker) => worker.ready))
    await client.setUp(url, { chain: chain(steps, { from: 100, to: 300 }) })
    await client.startMany(url, 'chain', starts(random, runs), 8)
    const [victim, heir] = random.next() < 0.5 ? workers : ([workers[1], workers[0]] as const)
    const hasWork = (pid: number) => site.traces('begins').some((begin) => begin.pid === pid)
    await until('work at both workers', () => hasWork(victim.pid) && hasWork(heir.pid))

    await victim.kill()
    const open = new Set(
      (await site.rows<{ id: string }>('select id from runs where ended_at is null')).map((row) => row.id),
    )
    const owner = new Map(site.traces('begins').map((begin) => [begin.run, begin.pid]))
    const orphans = [...owner].filter(([run, pid]) => pid === victim.pid && open.has(run)).map(([run]) => run)
    const takenMs = await until('every orphaned run to go on at the other worker', () => {
      const begun = new Set(
        site
          .traces('begins')
          .filter((begin) => begin.pid === heir.pid)
          .map((begin) => begin.run),
      )
      return orphans.every((run) => begun.has(run))
    })
    const settledMs = await untilAllEnded(site)
    const report = await check(site, {
      acked: client.acked,
      lengths: { chain: steps },
      lost: new Set([victim.pid]),
    })
    tell(name, report, { acked: client.acked.length, orphans: orphans.length, takenMs, settledMs })
    const faults = [...report.violations]
    if (orphans.length === 0) faults.push('the killed worker had no run: nothing was tried')
    const most = standstillsIn(site.folder).size > 0 ? mostSecondsBusy : mostSeconds
    if (takenMs > most * 1000) faults.push(`the other worker had the runs going after ${takenMs} ms`)
    return faults
  } finally {
    await site.close()
    await database.drop()
  }
}
