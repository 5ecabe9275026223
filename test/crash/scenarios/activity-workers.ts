import { pause } from '../../../src/lib/time.ts'
import { createTestDatabase } from '../../database.ts'
import { makeClient } from '../harness/client.ts'
import { startLossyProxy } from '../harness/lossy-proxy.ts'
import { adminToken, makeSite } from '../harness/site.ts'
import { untilAllEnded } from '../harness/storm.ts'

const task = {
  init_params: {},
  step_configs: {
    one: { activity: 'crash.work', value_path: 'init_params.start' },
    two: { activity: 'crash.work', value_path: 'one.outputs.by' },
  },
  steps: ['one', 'two'],
}

interface Job {
  job_id: string
  epoch: number
}

const settings = { JETTY_WORKER_LEASE_SECONDS: '3', JETTY_WORKER_LOSSES: '1000' }

/**
 * Workers behind a proxy that cuts connections and delays them; some of their jobs freeze until another worker has them.
 * Meanwhile a server process is killed. Every run completes with the outputs that were accepted, and no job that was
 * accepted is given out again.
 */
export const activityWorkers = async ({ runs, workers }: { runs: number; workers: number }): Promise<string[]> => {
  const database = await createTestDatabase()
  const site = makeSite(database.url)
  const client = makeClient()
  const faults: string[] = []
  let isOver = false
  const accepted = new Map<string, { epoch: number; by: string }>()
  let fenced = 0
  try {
    const api = site.spawn({ ...settings, JETTY_ROLE: 'api' })
    const url = await api.ready
    const servers = [1, 2].map(() => site.spawn({ ...settings, JETTY_ROLE: 'worker' })) as [typeof api, typeof api]
    await Promise.all(servers.map((server) => server.ready))
    await client.setUp(url, { work: task })
    const proxy = await startLossyProxy(url, { share: 0.15, delayMs: 30, random: Math.random })

    /** A call on a connection of its own; undefined where it was cut. */
    const call = async (path: string, body: unknown) => {
      const headers = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json', connection: 'close' }
      const sent = { method: 'POST', headers, body: JSON.stringify(body), signal: AbortSignal.timeout(20_000) }
      const answer = await fetch(`${proxy.url}/api/v1${path}`, sent).catch(() => undefined)
      const text = await answer?.text().catch(() => undefined)
      return answer && text !== undefined
        ? { status: answer.status, body: text === '' ? {} : JSON.parse(text) }
        : undefined
    }
    const until = async (path: string, body: unknown) => {
      for (;;) {
        const answer = await call(path, body)
        if ((answer && answer.status < 500) || isOver) return answer
        await pause(20)
      }
    }

    const work = async (at: number): Promise<void> => {
      const registered = await until('/workers', { name: `w${at}`, activities: [{ name: 'crash.work' }] })
      const id = registered?.body.worker_id as string
      for (let turn = 0; !isOver; turn++) {
        const answer = await call(`/workers/${id}/poll`, { wait_seconds: 2, holding: [] })
        for (const job of (answer?.body.jobs ?? []) as Job[]) {
          const earlier = accepted.get(job.job_id)
          if (earlier) faults.push(`job ${job.job_id} was given out again after epoch ${earlier.epoch} was accepted`)
          if ((turn + at) % 12 === 0) await pause(7_000) // frozen for longer than its lease
          const by = `${id}/${job.epoch}`
          const path = `/workers/${id}/jobs/${job.job_id}/complete`
          const done = await until(path, { epoch: job.epoch, outputs: { by } })
          if (done?.status === 409) fenced++
          else if (done?.status === 200) accepted.set(job.job_id, { epoch: job.epoch, by })
          else if (!isOver) faults.push(`a completion answered ${done?.status}: ${JSON.stringify(done?.body)}`)
        }
      }
    }

    const working = Array.from({ length: workers }, (_, at) => work(at))
    const starting = client.startMany(
      url,
      'work',
      Array.from({ length: runs }, (_, at) => at + 1),
      8,
    )
    await pause(2_000)
    await servers[0].kill()
    await starting
    const settledMs = await untilAllEnded(site)
    isOver = true
    await Promise.all(working)
    const wrong = await site.rows(`select trajectory_id, status, error from runs where status <> 'completed'`)
    if (wrong.length > 0) faults.push(JSON.stringify(wrong))
    const recorded = await site.rows<{ id: string; by: string }>(
      `select j.id, s.outputs::json->>'by' as by from worker_jobs j join steps s on s.run_id = j.run_id and s.seq = j.seq`,
    )
    for (const { id, by } of recorded) {
      const known = accepted.get(id)
      if (known && known.by !== by) faults.push(`job ${id}: ${known.by} was accepted, and ${by} recorded`)
    }
    if (recorded.length !== 2 * client.acked.length)
      faults.push(`${recorded.length} jobs of ${client.acked.length} runs`)
    const seen = { runs: client.acked.length, settledMs, cut: proxy.cut, fenced, faults: faults.length }
    console.log('activity workers:', JSON.stringify(seen))
    proxy.close()
    return faults
  } finally {
    isOver = true
    await site.close()
    await database.drop()
  }
}
