import { createTestDatabase } from '../../database.ts'
import { collection, makeClient } from '../harness/client.ts'
import { makeSite } from '../harness/site.ts'
import { standstillsIn } from '../harness/standstills.ts'
import { until, untilAllEnded } from '../harness/storm.ts'

/** Two steps wait side by side, and so in memory; the third has an effect. */
const gates = {
  execution: 'parallel' as const,
  init_params: {},
  step_configs: {
    one: { activity: 'wait_for_approval', message: 'And one?' },
    two: { activity: 'wait_for_approval', message: 'And two?' },
    send: { activity: 'effect', value_path: 'init_params.start', from: 1, to: 5, depends_on: ['one', 'two'] },
  },
  steps: ['one', 'two', 'send'],
}

/**
 * Runs that wait in the memory of two workers, of which one is killed: the other waits on for all of them, with what was
 * decided before. Each has its effect once.
 */
export const approvalsTakenOver = async ({ runs }: { runs: number }): Promise<string[]> => {
  const database = await createTestDatabase()
  const site = makeSite(database.url)
  const client = makeClient()
  const faults: string[] = []
  try {
    const api = site.spawn({ JETTY_ROLE: 'api' })
    const url = await api.ready
    const workers = [site.spawn({ JETTY_ROLE: 'worker' }), site.spawn({ JETTY_ROLE: 'worker' })] as const
    await Promise.all(workers.map((worker) => worker.ready))
    await client.setUp(url, { gates })
    /** Steps whose record says that they wait: a process that dies before they say so dies at an attempt. */
    const waiting = async () =>
      (
        await site.rows<{ count: number }>(
          `select count(*)::int from approvals a join steps s on s.run_id = a.run_id and s.seq = a.seq
           where a.decision is null and s.wake_at is not null`,
        )
      )[0]?.count
    const owners = () =>
      site.rows(`select distinct owner from leases where id in (select lease from runs where ended_at is null)`)
    await until('both workers to have some of the runs', async () => {
      const starts = Array.from({ length: runs }, (_, at) => at + 1)
      await client.startMany(url, 'gates', starts, 4) // few at a time: many leases
      await until('both steps of all runs to wait', async () => (await waiting()) === 2 * client.acked.length)
      return (await owners()).length === 2
    })
    const all = client.acked.length
    const decideAll = async (step: string) => {
      const decided = client.acked.map(({ trajectoryId }) =>
        client.call(url, 'POST', `/trajectory/${collection}/gates/${trajectoryId}/steps/${step}/approval`, {
          decision: 'approve',
          comment: step,
        }),
      )
      for (const { status, body } of await Promise.all(decided)) {
        if (status !== 200) faults.push(`a decision about ${step} answered ${status}: ${JSON.stringify(body)}`)
      }
    }
    const deciding = decideAll('one')
    await workers[0].kill()
    await deciding
    await decideAll('two')
    const settledMs = await untilAllEnded(site)
    const wrong = await site.rows(
      `select r.trajectory_id, r.status, r.error, s.name, s.status step_status, s.attempt, s.outputs
       from runs r join steps s on s.run_id = r.id
       where r.status <> 'completed' or s.name <> 'send' and (s.attempt <> 1 or s.outputs::json->>'comment' <> s.name)`,
    )
    if (wrong.length > 0) faults.push(JSON.stringify(wrong))
    const effects = site.traces('effects').map(({ run }) => run)
    const repeats = standstillsIn(site.folder).size === 0 ? effects.length - all : 0
    if (repeats > 0 || new Set(effects).size !== all) {
      faults.push(`${effects.length} effects in ${new Set(effects).size} of ${all} runs`)
    }
    console.log('approvals taken over:', JSON.stringify({ runs: all, settledMs, faults: faults.length }))
    return faults
  } finally {
    await site.close()
    await database.drop()
  }
}
