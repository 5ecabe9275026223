import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { pause } from '../../../src/lib/time.ts'
import type { Workflow } from '../../../src/model/workflows/workflow.ts'
import { createTestDatabase } from '../../database.ts'
import { makeClient } from '../harness/client.ts'
import { holdBodies } from '../harness/held-bodies.ts'
import type { ServerProcess } from '../harness/server-process.ts'
import { makeSite, type Site } from '../harness/site.ts'

export interface MemoryStormSize {
  seconds: number
  /** 0: one server with its own Postgres; else so many workers and an API on a shared one. */
  workers: number
  /** Heap limit of each process in MiB; undefined: Node's own. */
  heapMiB: number | undefined
  /** Runs that make 60 MB again and again. */
  runs: number
  /** Bodies of 15 MB that are held open on the gateway. */
  bodies: number
}

const placeholders = (count: number): string => '{{t}}'.repeat(count)

/** 64 kB, 2 MB, 60 MB of text, and once more the same: 180 MB of inputs and outputs. */
const giant: Workflow = {
  init_params: {},
  step_configs: {
    small: { activity: 'text_template', template: placeholders(64), t: 'x'.repeat(1_000) },
    medium: { activity: 'text_template', template: placeholders(31), t_path: 'small.outputs.text' },
    large: { activity: 'text_template', template: placeholders(30), t_path: 'medium.outputs.text' },
    again: { activity: 'text_echo', text_path: 'large.outputs.text' },
  },
  steps: ['small', 'medium', 'large', 'again'],
}

const echo: Workflow = {
  init_params: { text: 'hello' },
  step_configs: { say: { activity: 'text_echo', text_path: 'init_params.text' } },
  steps: ['say'],
}

const rssMiB = (pid: number): number => {
  try {
    return Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) / 1024)
  } catch {
    return 0
  }
}

/** A call that was answered: how often it was sent, and how long all of that took. */
interface Answered {
  ms: number
  sent: number
  atMs: number
}

const longestCallMs = 120_000
/** So often at least one step of the large runs ends, also while their tenant holds bodies open and after the kill. */
const longestStandstillMs = 30_000
/** Share of its heap limit that a process may have in memory: two fifths are counted, the rest is code and garbage. */
const largestShareOfHeap = 0.85

/**
 * One tenant makes texts of 60 MB in many runs and holds large bodies open on the gateway, while another one calls `run-sync`
 * once a second. In the middle the server, or one of the workers, is killed and started again. No process may die by
 * itself, and no call of the other tenant may be lost.
 */
export const memoryStorm = async (size: MemoryStormSize): Promise<string[]> => {
  const { seconds, workers, heapMiB, runs, bodies } = size
  const violations: string[] = []
  const database = workers > 0 ? await createTestDatabase() : undefined
  const site = makeSite(database?.url)
  const client = makeClient()
  const heap = heapMiB === undefined ? {} : { NODE_OPTIONS: `--max-old-space-size=${heapMiB}` }
  const spawn = (role: string) => site.spawn({ ...heap, JETTY_ROLE: role })
  let isOver = false
  let isKilled = false
  const front = workers > 0 ? spawn('api') : undefined
  await front?.ready
  const spawnKilled = () => spawn(workers > 0 ? 'worker' : 'all')
  let server = spawnKilled()
  const others = [front, ...Array.from({ length: Math.max(0, workers - 1) }, () => spawn('worker'))].filter(
    (one) => one !== undefined,
  )
  let url = (await Promise.all([front ?? server, server, ...others].map((one) => one.ready)))[0] ?? ''
  const watch = (one: ServerProcess) => {
    void one.exited.then(({ code, signal }) => {
      if (!isKilled && !isOver) violations.push(`the server died by itself: code ${code}, signal ${signal}`)
    })
  }
  for (const one of [server, ...others]) watch(one)
  try {
    await setUp(client, url)
    const token = await keyOf(client, url)
    const rss: number[] = []
    const answered: Answered[] = []
    const refused = new Map<number, number>()
    const begun = performance.now()
    const isTime = () => performance.now() - begun < seconds * 1000 && !isOver

    const callOnce = async (): Promise<void> => {
      const started = performance.now()
      const key = randomUUID()
      const text = `call ${key}`
      for (let sent = 1; ; sent++) {
        const body = { init_params: { text } }
        const reply = await client.call(url, 'POST', '/run-sync/small/echo', body, key).catch(() => undefined)
        const ms = performance.now() - started
        if (reply?.status === 200) {
          const said = reply.body.steps?.say?.outputs?.text
          if (said !== text) violations.push(`a call of the small tenant was answered with ${JSON.stringify(said)}`)
          return void answered.push({ ms, sent, atMs: started - begun })
        }
        refused.set(reply?.status ?? 0, (refused.get(reply?.status ?? 0) ?? 0) + 1)
        if (ms > longestCallMs) return void violations.push(`a call of the small tenant was lost: ${reply?.status}`)
        await pause(200)
      }
    }
    const calls: Promise<void>[] = []
    const calling = (async () => {
      for (; isTime(); await pause(1_000)) calls.push(callOnce())
    })()
    const making = (async () => {
      for (; isTime(); await pause(250)) {
        const missing = runs - (await openGiants(site))
        const start = () => client.call(url, 'POST', '/run/big/giant', { init_params: {} }).catch(() => undefined)
        await Promise.all(Array.from({ length: missing }, start))
      }
    })()
    const standstills = watchStandstills(site, isTime)
    const sampling = (async () => {
      for (; isTime(); await pause(250)) rss.push(...[server, ...others].map(({ pid }) => rssMiB(pid)))
    })()
    const held = holdBodies(() => url, { clients: bodies, bytes: 15_000_000, token, collection: 'big' })

    while (isTime() && performance.now() - begun < seconds * 500) await pause(100)
    isKilled = true
    await server.kill()
    const killedMs = performance.now() - begun
    server = spawnKilled()
    isKilled = false
    watch(server)
    const readyUrl = await server.ready
    if (!front) url = readyUrl
    const backMs = performance.now() - begun
    while (isTime() && violations.length === 0) await pause(100)
    isOver = true
    held.stop()
    await Promise.all([calling, making, sampling])
    const standstillMs = await standstills
    if (standstillMs > longestStandstillMs) violations.push(`no step of a large run ended for ${standstillMs} ms`)
    await Promise.all(calls)
    const worstRssMiB = Math.max(...rss)
    if (heapMiB !== undefined && worstRssMiB > heapMiB * largestShareOfHeap) {
      violations.push(`a process held ${worstRssMiB} MiB`)
    }

    const apart = answered.filter(({ atMs, ms }) => atMs + ms < killedMs || atMs > backMs).map(({ ms }) => ms)
    const worst = (times: number[]) => Math.round(Math.max(0, ...times))
    console.log(
      'memory storm:',
      JSON.stringify({
        seconds,
        workers,
        heapMiB: heapMiB ?? 'default',
        calls: answered.length,
        sentAgain: answered.filter(({ sent }) => sent > 1).length,
        refused: Object.fromEntries(refused),
        worstMs: worst(apart),
        p50Ms: Math.round(apart.sort((one, other) => one - other)[apart.length >> 1] ?? 0),
        worstOverRestartMs: worst(answered.map(({ ms }) => ms)),
        standstillMs,
        restartMs: Math.round(backMs - killedMs),
        worstRssMiB,
        held: Object.fromEntries(held.answers),
        ...(await rowCounts(site)),
      }),
    )
    return violations
  } finally {
    isOver = true
    await site.close()
    await database?.drop()
  }
}

type Client = ReturnType<typeof makeClient>

const setUp = async (client: Client, url: string): Promise<void> => {
  for (const [name, task, workflow] of [
    ['big', 'giant', giant],
    ['small', 'echo', echo],
  ] as const) {
    await client.call(url, 'POST', '/collections', { name })
    const { status, body } = await client.call(url, 'POST', `/tasks/${name}`, { name: task, workflow })
    if (status >= 300) throw new Error(`the task was refused: ${JSON.stringify(body)}`)
  }
}

/** A key of the tenant that makes the large texts. */
const keyOf = async (client: Client, url: string): Promise<string> => {
  const { status, body } = await client.call(url, 'POST', '/api-keys', { name: 'big', collection_name: 'big' })
  if (status >= 300) throw new Error(`the key was refused: ${JSON.stringify(body)}`)
  return body.api_key
}

const openGiants = async (site: Site): Promise<number> => {
  const [row] = await site.rows<{ open: number }>(
    `select count(*)::int open from runs where name = 'big/giant' and ended_at is null`,
  )
  return row?.open ?? 0
}

/** The longest time in which no step of the large runs ended. */
const watchStandstills = async (site: Site, isTime: () => boolean): Promise<number> => {
  let longest = 0
  let lastMs = performance.now()
  for (let before = 0; isTime(); await pause(500)) {
    const [row] = await site.rows<{ ended: number }>(
      `select count(*)::int ended from steps s join runs r on r.id = s.run_id
       where r.name = 'big/giant' and s.status = 'completed'`,
    )
    const ended = row?.ended ?? 0
    longest = Math.max(longest, performance.now() - lastMs)
    if (ended > before) lastMs = performance.now()
    before = ended
  }
  return Math.round(longest)
}

const rowCounts = async (site: Site): Promise<Record<string, unknown>> => {
  const [row] = await site.rows<Record<string, unknown>>(
    `select (select count(*)::int from runs) runs, (select count(*)::int from steps) steps,
       (select count(*)::int from payloads) payloads,
       (select json_object_agg(status, n) from (
         select status, count(*)::int n from runs where name = 'big/giant' group by status) s) giants,
       pg_size_pretty(pg_database_size(current_database())) size`,
  )
  return row ?? {}
}
