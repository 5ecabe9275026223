/** Workers in other programs: hand-over to one that waits, throughput over 1, 2 and 4, and what 1,000 idle ones cost. */

import { pause } from '../src/lib/time.ts'
import { longestPollSeconds } from '../src/model/workers/worker-job.ts'
import { type Database, openDatabase } from '../src/store/database/database.ts'
import { median, parts, percentile } from './lib/numbers.ts'
import { cpuSecondsOf } from './lib/processes.ts'
import { isQuick } from './lib/quick.ts'
import { stage } from './lib/stage.ts'

const handOvers = 200
const steps = isQuick ? 300 : 1_000
const stepMs = 50
const idleWorkers = 1_000
/** Each knows by then that nothing is queued, and has a poll that gets line breaks. */
const settleSeconds = 60
const windows = isQuick ? 2 : 5
const windowSeconds = isQuick ? 10 : 20

interface Job {
  job_id: string
  epoch: number
}

interface Api {
  call(method: string, path: string, body?: unknown): Promise<unknown>
}

/** Takes jobs one at a time until it is told to stop. */
const startWorker = async (api: Api, activity: string, work: (job: Job) => Promise<void>) => {
  const register = { name: 'bench', activities: [{ name: activity }] }
  const { worker_id: id } = (await api.call('POST', '/api/v1/workers', register)) as { worker_id: string }
  let isOver = false
  const loop = (async () => {
    while (!isOver) {
      const { jobs } = (await api.call('POST', `/api/v1/workers/${id}/poll`, { wait_seconds: 1 })) as { jobs: Job[] }
      for (const job of jobs) {
        await work(job)
        await api.call('POST', `/api/v1/workers/${id}/jobs/${job.job_id}/complete`, { epoch: job.epoch })
      }
    }
  })()
  return {
    stop: async () => {
      isOver = true
      await loop
    },
  }
}

/** Stores a task of one step, and returns what starts a run of it. */
const makeTask = async (api: Api, name: string) => {
  const workflow = { step_configs: { work: { activity: `bench.${name}` } }, steps: ['work'] }
  await api.call('POST', '/api/v1/tasks/demo', { name, workflow })
  return () => api.call('POST', `/api/v1/run/demo/${name}`, {})
}

/** Milliseconds from the queue to a worker that waits. */
const handOverDelays = async (api: Api, database: Database): Promise<number[]> => {
  const taken: [string, number][] = []
  const waiting = await startWorker(api, 'bench.handover', async ({ job_id }) => {
    taken.push([job_id, Date.now()])
  })
  const start = await makeTask(api, 'handover')
  for (let at = 0; at < handOvers; at++) {
    await start()
    await pause(30 + (at % 11))
  }
  await waiting.stop()
  const queued = await database.query<{ id: string; ms: number }>(
    `select id, extract(epoch from queued_at)::float8 * 1000 as ms from worker_jobs where activity = 'bench.handover'`,
  )
  const queuedMs = new Map(queued.map(({ id, ms }) => [id, ms]))
  return taken.slice(20).map(([id, ms]) => ms - (queuedMs.get(id) ?? ms))
}

/** Steps a second that so many workers carry out, one at a time each. */
const stepsPerSecond = async (api: Api, database: Database, start: () => Promise<unknown>, count: number) => {
  for (let at = 0; at < steps; at += 50) await Promise.all(Array.from({ length: 50 }, start))
  const begun = performance.now()
  const work = async () => void (await pause(stepMs))
  const workers = await Promise.all(Array.from({ length: count }, () => startWorker(api, 'bench.work', work)))
  const look = `select count(*)::int as open from worker_jobs where activity = 'bench.work' and settled_at is null`
  while ((await database.query<{ open: number }>(look))[0]?.open !== 0) await pause(100)
  const seconds = (performance.now() - begun) / 1000
  await Promise.all(workers.map((worker) => worker.stop()))
  return steps / seconds
}

/** CPU of a process in each of the windows, in percent of a core. */
const percentsOf = async (pid: number): Promise<number[]> => {
  const percents: number[] = []
  for (let at = 0; at < windows; at++) {
    const [before, begun] = [cpuSecondsOf(pid), performance.now()]
    await pause(windowSeconds * 1000)
    percents.push(((cpuSecondsOf(pid) - before) / ((performance.now() - begun) / 1000)) * 100)
  }
  return percents
}

interface IdleWorker {
  pollSeconds: number
  poll(seconds: number): Promise<unknown>
}

/**
 * CPU of a process alone, and with polls that wait, each of which is repeated when it ends; and their number. First polls are
 * shorter, so that the others begin one after another.
 */
const idleCost = async (pid: number, register: (at: number) => Promise<IdleWorker>): Promise<IdleCost> => {
  const alone = median(await percentsOf(pid))
  let isOver = false
  let polls = 0
  const repeat = async (at: number) => {
    const { pollSeconds, poll } = await register(at)
    for (let seconds = ((at + 1) * pollSeconds) / idleWorkers; !isOver; seconds = pollSeconds) {
      polls++
      await poll(seconds).catch((error) => {
        if (!isOver) throw error // a poll that is refused would be repeated at once
      })
    }
  }
  for (let at = 0; at < idleWorkers; at++) void repeat(at)
  await pause(settleSeconds * 1000)
  const pollsBefore = polls
  const together = await percentsOf(pid)
  isOver = true
  return { alone, together, added: together.map((one) => one - alone), polls: polls - pollsBefore }
}

interface IdleCost {
  alone: number
  together: number[]
  /** What the polls cost in each window. */
  added: number[]
  polls: number
}

interface Registered {
  worker_id: string
  poll_seconds: number
}

/** Registers an idle worker, which polls for as long as the server says. */
const idleWorker = (api: Api) => async (at: number) => {
  const body = { name: `idle ${at}`, activities: [{ name: 'bench.idle' }] }
  const { worker_id: id, poll_seconds } = (await api.call('POST', '/api/v1/workers', body)) as Registered
  const poll = (seconds: number) => api.call('POST', `/api/v1/workers/${id}/poll`, { wait_seconds: seconds })
  return { pollSeconds: poll_seconds, poll }
}

/** Polls a server that does nothing else. */
const bareWorker = (url: string) => async () => ({
  pollSeconds: longestPollSeconds,
  poll: async (seconds: number) =>
    (await fetch(url, { method: 'POST', body: JSON.stringify({ wait_seconds: seconds }) })).json(),
})

await stage(
  'workers',
  async ({ report, jetty, child, createDatabase }) => {
    const databaseUrl = await createDatabase('ours')
    const server = await jetty({ environment: { DATABASE_URL: databaseUrl } })
    const database = openDatabase(databaseUrl, { connections: 1 })
    const headers = { authorization: `Bearer ${await server.key('demo')}`, 'content-type': 'application/json' }
    const api: Api = {
      async call(method, path, body) {
        const answer = await fetch(`${server.url}${path}`, { method, headers, body: JSON.stringify(body) })
        if (!answer.ok) throw new Error(`${path} answered ${answer.status} ${await answer.text()}`)
        return answer.json()
      },
    }

    const delays = await handOverDelays(api, database)
    report.table('from the queue to a worker that waits, ms', [
      ['jobs', 'p50', 'p99'],
      [String(delays.length), percentile(delays, 0.5), percentile(delays, 0.99)],
    ])
    report.aim('hand-over to a worker that waits, p50', parts(delays, 4).map(median), 'at most', 15, ' ms')

    const rates: [count: number, rate: number][] = []
    const start = await makeTask(api, 'work')
    for (const count of [1, 2, 4]) rates.push([count, await stepsPerSecond(api, database, start, count)])
    const alone = rates[0]?.[1] ?? 1
    report.table(`${steps} steps of ${stepMs} ms`, [
      ['workers', 'steps/s', 'to one worker'],
      ...rates.map(([count, rate]) => [String(count), rate, rate / alone]),
    ])
    report.aim('four workers to one', (rates.at(-1)?.[1] ?? 0) / alone, 'at least', 3.2, ' ×')

    const bare = await child('polls-process.ts')
    const [ours, floor] = await Promise.all([
      idleCost(server.pid, idleWorker(api)),
      idleCost(bare.pid, bareWorker(await bare.ask<string>('url'))),
    ])
    report.table(`CPU of the server in ${windows} windows of ${windowSeconds} s, % of a core`, [
      ['', 'alone', `with ${idleWorkers} workers that wait`, 'polls'],
      ['ours', ours.alone, median(ours.together), String(ours.polls)],
      ['bare HTTP', floor.alone, median(floor.together), String(floor.polls)],
    ])
    report.aim(`${idleWorkers} idle workers`, ours.added, 'at most', 3, ' % of a core')
    report.figure(
      `${idleWorkers} idle workers to polls of a bare server`,
      median(ours.added) / median(floor.added),
      ' ×',
    )
    await database.close()
  },
  { longestSeconds: 900 },
)
