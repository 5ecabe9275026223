import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pause } from '../../../src/lib/time.ts'
import { createTestDatabase } from '../../database.ts'
import { startReceiver } from '../../webhook-receiver.ts'
import { collection, makeClient } from '../harness/client.ts'
import { seeded } from '../harness/random.ts'
import { firstUid, sandboxesLeft } from '../harness/sandboxes-left.ts'
import type { ServerProcess } from '../harness/server-process.ts'
import { adminToken, makeSite } from '../harness/site.ts'
import { until, untilAllEnded } from '../harness/storm.ts'
import {
  type Begun,
  claimsLeft,
  connectionsTo,
  elsewhereLeft,
  endedRuns,
  endedSteps,
  faultsOfRun,
  faultsOfStream,
  faultsOfTold,
  longerThanDeadMs,
} from './checks.ts'
import { startCountingModel } from './counting-model.ts'
import { type Kind, kindOf, kinds, runbookOf, workflows } from './work.ts'

export interface RunbookStormSize {
  runs: number
  /** Kills, freezes and stops of processes, and moments of a full disk, one after the other. */
  blows: number
  /** How often connections to the database are cut. */
  cuts: number
}

/** A disk for files that can be filled, where root may mount one. */
const smallDisk = (folder: string) => {
  const canFill = process.getuid?.() === 0
  mkdirSync(folder, { recursive: true })
  if (canFill) execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', folder])
  const filler = join(folder, 'filler')
  const disk = {
    canFill,
    wasFull: false,
    async fill(milliseconds: number) {
      disk.wasFull = true
      try {
        writeFileSync(filler, Buffer.alloc(33 * 1024 * 1024))
      } catch {
        // until it is full
      }
      await pause(milliseconds)
      rmSync(filler, { force: true })
    },
    close() {
      if (canFill) execFileSync('umount', [folder])
    },
  }
  return disk
}

/**
 * Runbooks that are started in every way there is, by two processes that are killed, frozen and stopped, whose connections
 * to the database are cut, while clients cancel and leave. Each ends as what its agent did says, or as it was asked to;
 * what was paid is counted, and nothing is left.
 */
export const runbookStorm = async ({ runs, blows, cuts }: RunbookStormSize): Promise<string[]> => {
  const name = 'runbook storm'
  const random = seeded(name)
  const delays = seeded('answers of its model')
  const database = await createTestDatabase()
  const site = makeSite(database.url)
  const client = makeClient()
  const receiver = await startReceiver()
  const model = await startCountingModel(() => Math.round(400 * delays.next() ** 2))
  const disk = smallDisk(join(site.dataDir, 'files'))
  const faults: string[] = []
  const begun: Begun[] = []
  const pids = new Set<number>()
  const env = {
    JETTY_SANDBOX_UID: String(firstUid),
    JETTY_SANDBOXES: '3',
    JETTY_DRAIN_SECONDS: '2',
    JETTY_RUNBOOK_CALLS: '4',
    JETTY_ALLOW_PRIVATE_NETWORK: '127.0.0.1',
    OPENAI_BASE_URL: model.url,
  }
  /** One answers at all times it lives; the other may do nothing but work. */
  const roles = ['all', random.between(0, 1) === 0 ? 'all' : 'worker']
  const spawn = (at: number): ServerProcess => {
    const server = site.spawn({ ...env, JETTY_ROLE: roles[at] ?? 'all' })
    pids.add(server.pid)
    return server
  }
  try {
    const servers = [spawn(0), spawn(1)]
    const urls = await Promise.all(servers.map((server) => server.ready))
    await client.setUp(urls[0] as string, workflows)
    await client.call(urls[0] as string, 'PATCH', `/collections/${collection}/environment`, {
      environment_variables: { OPENAI_API_KEY: 'sk-unmistakable-storm-1c' },
    })
    const names = Object.keys(kinds)
    const some = (list: readonly string[]): string => list[random.between(0, list.length - 1)] as string
    const anyUrl = (): string => some(urls.filter((url) => url !== ''))
    let words = 0
    let isOver = false

    const word = () => `work-${++words}`
    const hook = () =>
      random.between(0, 2) === 0 ? { webhook_url: receiver.url, webhook_secret: 'whsec-storm' } : undefined

    /** Asks until it is accepted, with the same key: however often, it is one run. */
    const accepted = async (path: string, body: unknown, key: string, leaves: boolean): Promise<string> => {
      for (;;) {
        const gone = new AbortController()
        const leave = leaves ? setTimeout(() => gone.abort(), random.between(50, 2_000)) : undefined
        try {
          const response = await fetch(`${anyUrl()}${path}`, {
            method: 'POST',
            headers: {
              authorization: `Bearer ${adminToken}`,
              'content-type': 'application/json',
              'idempotency-key': key,
            },
            body: JSON.stringify(body),
            signal: AbortSignal.any([gone.signal, AbortSignal.timeout(60_000)]),
          })
          const id = response.headers.get('x-jetty-trajectory-id')
          if (id && path.startsWith('/v1/')) {
            await response.text().catch(() => {}) // the client leaves, or the server does
            return id
          }
          const answer = (await response.json()) as { trajectory_id?: string }
          if (answer.trajectory_id) return answer.trajectory_id
          if (![409, 502, 503].includes(response.status)) {
            faults.push(`${path} was answered ${response.status} ${JSON.stringify(answer).slice(0, 500)}`)
          }
        } catch {
          // it broke off, or the client has left
        } finally {
          clearTimeout(leave)
        }
        await pause(200)
      }
    }

    const begin = async (at: number): Promise<void> => {
      const kind = some(names)
      const webhook = hook()
      const key = `storm-${random.seed}-${at}`
      const leaves = random.between(0, 3) === 0
      const runbook = (of: string, its: string) => runbookOf(kinds[of] as Kind, its)
      const seconds = (of: string) => kinds[of]?.seconds ?? 60
      const way = random.between(0, 9)
      const note = (id: string, task: string) =>
        begun.push({ id, task, cancel: 'never', hasWebhook: webhook !== undefined })
      if (way < 4) {
        const its = word()
        const body = { init_params: { runbook: runbook(kind, its), seconds: seconds(kind) }, ...webhook }
        note(await accepted(`/api/v1/run/${collection}/book`, body, key, leaves), 'book')
      } else if (way < 8) {
        const its = word()
        const body = {
          model: 'scripted',
          stream: way < 6,
          messages: [{ role: 'system', content: runbook(kind, its) }],
          jetty: { collection, task: 'chats', agent: 'scripted', timeout_sec: seconds(kind), ...webhook },
        }
        note(await accepted('/v1/chat/completions', body, key, leaves), 'chats')
      } else {
        const its = [word(), word(), word()]
        const items = its.map((one) => ({ runbook: runbook('honest', one), seconds: 60 }))
        const body = { init_params: { items }, ...webhook }
        note(await accepted(`/api/v1/run/${collection}/books`, body, key, leaves), 'books')
      }
    }
    const clientOf = async (ids: number[]): Promise<void> => {
      for (let at = ids.shift(); at !== undefined; at = ids.shift()) await begin(at)
    }

    const canceller = async (): Promise<void> => {
      while (!isOver) {
        await pause(random.between(1_000, 5_000))
        const run = begun[begun.length - 1 - random.between(0, 5)]
        if (run?.cancel !== 'never') continue
        run.cancel = 'asked'
        const reply = await client.cancel(anyUrl(), run.task, [run.id]).catch(() => undefined)
        if (reply?.status === 200) run.cancel = 'granted'
        else if (reply && reply.status < 500) faults.push(`cancel was answered ${reply.status}`)
      }
    }
    /** Whose connection is cut while it starts ends, and says so: whoever watches over it starts it again. */
    const begins = async (at: number): Promise<void> => {
      for (let left = 5; left > 0; left--) {
        const server = spawn(at)
        servers[at] = server
        const url = await server.ready.catch(() => undefined)
        if (url !== undefined) {
          urls[at] = url
          return
        }
        await server.exited
      }
      faults.push('a server did not start five times')
    }
    const done: Record<string, number> = {}
    const striker = async (): Promise<void> => {
      for (let blow = 0; blow < blows; blow++) {
        await pause(random.between(500, 4_000))
        const at = random.between(0, 1)
        const server = servers[at] as ServerProcess
        const how = some(['kill', 'kill', 'stop', 'stop twice', 'freeze', ...(disk.canFill ? ['fill'] : [])])
        done[how] = (done[how] ?? 0) + 1
        if (how === 'fill') {
          await disk.fill(random.between(200, 2_000))
          continue
        }
        if (how === 'freeze') {
          server.freeze()
          await pause(longerThanDeadMs)
          server.thaw()
          continue
        }
        if (how === 'kill') await server.kill()
        else if (how === 'stop') await server.stop()
        else {
          const stopped = server.stop()
          await pause(random.between(0, 500))
          if (server.alive) process.kill(server.pid, 'SIGTERM')
          await stopped
        }
        await begins(at)
      }
    }
    const cutter = async (): Promise<void> => {
      for (let cut = 0; cut < cuts && !isOver; cut++) {
        await pause(random.between(500, 5_000))
        await site.rows(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and application_name like 'jetty%' and random() < 0.4`,
        )
      }
    }

    const ids = Array.from({ length: runs }, (_, at) => at)
    const clients = Promise.all(Array.from({ length: 8 }, () => clientOf(ids)))
    const others = [canceller(), striker(), cutter()]
    await clients
    isOver = true
    await Promise.all(others)
    const settledMs = await untilAllEnded(site)

    const ended = await endedRuns(site)
    const steps = await endedSteps(site)
    for (const { id, task } of begun) {
      if (!ended.some((run) => run.id === id)) faults.push(`${id} of ${task} was accepted and is lost`)
    }
    const roots = ended.filter(({ parent }) => parent === null).length
    if (roots !== begun.length) faults.push(`${roots} runs came of ${begun.length} requests`)
    for (const run of ended) {
      const { name: kind, word: its } = kindOf(run.runbook ?? '')
      const cancel = begun.find(({ id }) => id === run.id || id === run.parent)?.cancel ?? 'never'
      const found = await faultsOfRun(
        { site, client, url: anyUrl() },
        run,
        steps.filter(({ key }) => key === run.key),
        { cancel, served: model.served.get(its) ?? 0, wasFull: disk.wasFull },
      )
      faults.push(...found.map((fault) => `${run.id} (${kind}, ${its}, ${run.deaths} deaths): ${fault}`))
    }
    faults.push(...(await faultsOfTold(site)))
    for (const one of begun.filter((_, at) => at % 5 === 0)) faults.push(...(await faultsOfStream(anyUrl(), one)))
    const hooked = begun.filter(({ hasWebhook }) => hasWebhook)
    await until('webhooks', () => hooked.every(({ id }) => receiver.of(id).length > 0)).catch(() => {
      for (const { id } of hooked) if (receiver.of(id).length === 0) faults.push(`the end of ${id} was told to nobody`)
    })
    faults.push(
      ...(await sandboxesLeft(
        site.dataDir,
        ended.map(({ id }) => id),
      )),
    )
    await Promise.all(servers.map((server) => server.stop()))
    faults.push(...elsewhereLeft(site), ...claimsLeft(pids))
    await until('connections to be gone', async () => (await connectionsTo(database.url)) === 0, 20_000).catch(
      async () => faults.push(`${await connectionsTo(database.url)} connections to the database are left`),
    )
    const statuses: Record<string, number> = {}
    for (const { status } of ended) statuses[status] = (statuses[status] ?? 0) + 1
    const repeats = steps.filter(({ name: one, attempt }) => one === 'run' && attempt > 1).length
    console.log(
      `${name}:`,
      JSON.stringify({ runs: ended.length, ...statuses, repeats, ...done, hooked: hooked.length, settledMs }),
    )
    return faults
  } finally {
    await site.close().catch(() => {}) // of the folder that the disk is mounted on
    disk.close()
    await site.close()
    receiver.close()
    model.close()
    await database.drop()
  }
}
