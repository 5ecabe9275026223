import { readFileSync } from 'node:fs'
import { pause } from '../../../src/lib/time.ts'
import type { Workflow } from '../../../src/model/workflows/workflow.ts'
import { createTestDatabase } from '../../database.ts'
import type { ServerProcess } from '../harness/server-process.ts'
import { adminToken, makeSite, type Site } from '../harness/site.ts'
import { until } from '../harness/storm.ts'

export interface RecursiveAttackSize {
  seconds: number
  /** 0: one server that does everything, with its own Postgres; else so many workers and an API on a shared one. */
  workers: number
}

const items = 1_000
/** The answer to a cancel, and the end of everything below the cancelled run. */
const cancelWithinMs = 5_000
/** The call of the other tenant that takes longest. */
const worstMs = 3_000

/** Fans out over a thousand items to another task, or to itself, all at once, and takes no failure for a reason to stop. */
const fanOut = (task: string): Workflow => ({
  init_params: { items: Array.from({ length: items }, (_, index) => index) },
  step_configs: {
    fan: {
      activity: 'list_emit_await',
      items_path: 'init_params.items',
      child_workflow_name: task,
      max_concurrency: items,
      continue_on_error: true,
    },
  },
  steps: ['fan'],
})

const echo: Workflow = { step_configs: { say: { activity: 'text_echo', text: 'here' } }, steps: ['say'] }

/** The attacker has one task that starts itself, and a chain of tasks that the bound on recursion does not meet. */
const attacks: Record<string, Workflow> = {
  itself: fanOut('itself'),
  level1: fanOut('level2'),
  level2: fanOut('level3'),
  level3: fanOut('level4'),
  level4: fanOut('leaf'),
  leaf: echo,
}

interface Tenant {
  collection: string
  call(method: string, path: string, body?: unknown): Promise<{ status: number; body: Body; ms: number }>
}

// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of a body by asserting on it
type Body = any

const caller =
  (url: string, token: string): Tenant['call'] =>
  async (method, path, body) => {
    const begun = performance.now()
    const response = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(60_000),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.startsWith('application/json')
    return { status: response.status, body: isJson ? JSON.parse(text) : text, ms: performance.now() - begun }
  }

/** A collection with a WRITE key of its own. */
const makeTenant = async (url: string, collection: string, tasks: Record<string, Workflow>): Promise<Tenant> => {
  const admin = caller(url, adminToken)
  await admin('POST', '/collections', { name: collection })
  const made = await admin('POST', '/api-keys', { name: collection, collection_name: collection })
  const key: unknown = made.body.key ?? made.body.api_key
  if (typeof key !== 'string') throw new Error(`no key: ${made.status} ${JSON.stringify(made.body)}`)
  const call = caller(url, key)
  for (const [name, workflow] of Object.entries(tasks)) {
    const stored = await call('POST', `/tasks/${collection}`, { name, workflow })
    if (stored.status !== 201) throw new Error(`task refused: ${JSON.stringify(stored.body)}`)
  }
  return { collection, call }
}

/** Keeps one run of a task open, as long as the attack lasts. */
const keepAttacking = async ({ collection, call }: Tenant, task: string, over: AbortSignal): Promise<number> => {
  let started = 0
  while (!over.aborted) {
    const { status, body } = await call('POST', `/run/${collection}/${task}`, {}).catch(() => ({ status: 0, body: '' }))
    if (status === 200) started++
    const path = `/db/trajectory/${collection}/${task}/${body?.trajectory_id}`
    while (status === 200 && !over.aborted && (await pause(1_000, over))) {
      const run = await call('GET', path).catch(() => undefined)
      if (run?.status === 200 && run.body.status !== 'pending' && run.body.status !== 'running') break
    }
    await pause(200, over)
  }
  return started
}

interface Victim {
  calls: number
  lost: string[]
  /** In ms, ascending. */
  latencies: number[]
  /** The slowest calls: when they were sent and how long they took. */
  slowest: { at: string; ms: number }[]
}

const slowestShown = 5

/** Calls once a second, whether or not the last call was answered. */
const callEverySecond = async ({ collection, call }: Tenant, over: AbortSignal): Promise<Victim> => {
  const victim: Victim = { calls: 0, lost: [], latencies: [], slowest: [] }
  const calls: Promise<void>[] = []
  const once = async () => {
    const at = new Date().toISOString().slice(11, 19)
    const begun = performance.now()
    const answer = await call('POST', `/run-sync/${collection}/echo`, {}).catch((error: unknown) => error)
    const ms = Math.round(performance.now() - begun)
    victim.latencies.push(ms)
    victim.slowest = [...victim.slowest, { at, ms }].sort((one, other) => other.ms - one.ms).slice(0, slowestShown)
    const { status, body } = (answer instanceof Error ? {} : answer) as { status?: number; body?: Body }
    if (status === 200 && body.status === 'completed') return
    victim.lost.push(answer instanceof Error ? String(answer) : `${status} ${JSON.stringify(body).slice(0, 200)}`)
  }
  do {
    victim.calls++
    calls.push(once())
  } while (await pause(1_000, over))
  await Promise.all(calls)
  victim.latencies.sort((a, b) => a - b)
  return victim
}

const residentMb = (pid: number): number => {
  try {
    return Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024)
  } catch {
    return 0
  }
}

const watchMemory = async (servers: ServerProcess[], over: AbortSignal): Promise<number[]> => {
  const most = servers.map(() => 0)
  do {
    for (const [at, { pid }] of servers.entries()) most[at] = Math.max(most[at] ?? 0, residentMb(pid))
  } while (await pause(500, over))
  return most
}

const countOpen = async (site: Site): Promise<number> =>
  (await site.rows<{ open: number }>('select count(*)::int as open from runs where ended_at is null'))[0]?.open ?? 0

/** Waits until next to nothing is open, and says what is where that does not come true. */
const untilNextToNone = async (site: Site, what: string): Promise<void> => {
  try {
    await until(what, async () => (await pause(200)) && (await countOpen(site)) < 100)
  } catch (error) {
    const open = await site.rows(
      `select r.name, r.status, r.requested_status, l.epoch, l.owner, q.turn, count(*)::int
       from runs r left join leases l on l.id = r.lease left join queued_leases q on q.id = r.lease
       where r.ended_at is null group by 1, 2, 3, 4, 5, 6 order by 7 desc limit 20`,
    )
    throw new Error(`${what}: ${JSON.stringify(open)}`, { cause: error })
  }
}

/** Cancels an attack that is under way. Gives how long the call took, and how long until nothing of it was open. */
const cancelOne = async (site: Site, { collection, call }: Tenant, faults: string[]) => {
  await untilNextToNone(site, 'no run is open from before')
  const { body } = await call('POST', `/run/${collection}/level1`, {})
  const id: string = body.trajectory_id
  await until('the attack has thousands of open runs', async () => (await countOpen(site)) > 5_000)
  const open = await countOpen(site)
  const begun = performance.now()
  const answer = await call('POST', `/trajectory/${collection}/level1/statuses`, { [id]: 'cancelled' })
  const made = await site.rows<{ number: number }>('select coalesce(max(number), 0) as number from runs')
  if (answer.status !== 200) faults.push(`the cancel was answered ${answer.status}: ${JSON.stringify(answer.body)}`)
  await untilNextToNone(site, 'nothing below is open')
  const settledMs = Math.round(performance.now() - begun)
  const status = async () => (await call('GET', `/db/trajectory/${collection}/level1/${id}`)).body.status as string
  // It ends last, and may be among the few that are open.
  await until('the end of the cancelled run', async () => (await status()) !== 'running')
  if ((await status()) !== 'cancelled') faults.push(`the cancelled run is ${await status()}`)
  const later = await site.rows<{ count: number }>(
    'select count(*)::int as count from runs where parent_id is not null and number > $1',
    [made[0]?.number],
  )
  if ((later[0]?.count ?? 0) > 0) faults.push(`${later[0]?.count} runs were started after the cancel was answered`)
  if (answer.ms > cancelWithinMs + 500) faults.push(`the cancel was answered after ${Math.round(answer.ms)} ms`)
  if (settledMs > cancelWithinMs + 500) faults.push(`the cancelled tree had ended after ${settledMs} ms`)
  return { open, answeredMs: Math.round(answer.ms), settledMs }
}

/**
 * A tenant fans tasks out to themselves, a thousand items a run, for as long as it is let, while another one calls
 * `run-sync` once a second. No call of the other one is lost, and a cancel of the attack comes through.
 */
export const recursiveAttack = async ({ seconds, workers }: RecursiveAttackSize): Promise<string[]> => {
  const database = workers > 0 ? await createTestDatabase() : undefined
  const site = makeSite(database?.url)
  const faults: string[] = []
  try {
    const main = site.spawn(workers > 0 ? { JETTY_ROLE: 'api' } : {})
    const url = await main.ready
    const others = Array.from({ length: workers }, () => site.spawn({ JETTY_ROLE: 'worker' }))
    await Promise.all(others.map((worker) => worker.ready))
    const attacker = await makeTenant(url, 'attacker', attacks)
    const tenant = await makeTenant(url, 'tenant', { echo })
    const attack = new AbortController()
    const end = new AbortController()
    const memory = watchMemory([main, ...others], end.signal)
    const victim = callEverySecond(tenant, end.signal)
    const started = ['itself', 'level1'].map((task) => keepAttacking(attacker, task, attack.signal))
    await pause(seconds * 1_000)
    attack.abort()
    const roots = await Promise.all(started)
    const open = await countOpen(site)
    const rows = await site.rows<{ runs: number; bytes: number }>(
      'select (select count(*) from runs)::int as runs, pg_database_size(current_database()) as bytes',
    )
    const ids = await site.rows<{ trajectory_id: string; task: string }>(
      `select trajectory_id, split_part(name, '/', 2) as task from runs
       where parent_id is null and ended_at is null and name like 'attacker/%'`,
    )
    const begun = performance.now()
    for (const { trajectory_id: id, task } of ids) {
      const answer = await attacker.call('POST', `/trajectory/attacker/${task}/statuses`, { [id]: 'cancelled' })
      if (answer.status !== 200) faults.push(`a cancel was answered ${answer.status}: ${JSON.stringify(answer.body)}`)
    }
    await untilNextToNone(site, 'the attack is over')
    const allCancelledMs = Math.round(performance.now() - begun)
    const cancelled = await cancelOne(site, attacker, faults)
    end.abort()
    const { calls, lost, latencies, slowest } = await victim
    faults.push(...lost.map((why) => `a call of the other tenant was lost: ${why}`))
    const at = (share: number) =>
      Math.round(latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0)
    if (at(1) > worstMs) faults.push(`a call of the other tenant took ${at(1)} ms`)
    console.log(
      JSON.stringify({
        scenario: 'recursive attack',
        workers,
        seconds,
        roots,
        runs: rows[0]?.runs,
        databaseMb: Math.round((rows[0]?.bytes ?? 0) / 1024 / 1024),
        open,
        rssMb: await memory,
        other: { calls, lost: lost.length, medianMs: at(0.5), p99Ms: at(0.99), worstMs: at(1), slowest },
        cancel: { ofAllMs: allCancelledMs, openRoots: ids.length, ...cancelled },
      }),
    )
    return faults
  } finally {
    await site.close()
    await database?.drop()
  }
}
