import { isDeepStrictEqual } from 'node:util'
import { pause } from '../../../src/lib/time.ts'
import { assemble, readEvents, type SeenEvent } from '../../event-stream.ts'
import { check } from '../harness/checker.ts'
import { type Acked, collection, makeClient } from '../harness/client.ts'
import { openGate } from '../harness/gate.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import { adminToken, makeSite } from '../harness/site.ts'
import { starts, tell, until, untilAllEnded } from '../harness/storm.ts'

export interface WatchedRunsSize {
  /** Each is watched by a client of its own, and gets labels meanwhile. */
  runs: number
  steps: number
  kills: number
}

/** What a client has seen of one run, however often it had to come back. */
interface Watched {
  events: SeenEvent[]
  connections: number
}

/** What is left of the labels that each run gets. */
const labelled = { k0: '4', k1: '5', k2: '2', k3: '3' }

/** Watches runs while the server is killed and started again; clients come back with the id of their last event. */
export const watchedRuns = async ({ runs, steps, kills }: WatchedRunsSize): Promise<string[]> => {
  const name = 'watched runs'
  const random = seeded(name)
  const site = makeSite()
  const client = makeClient()
  try {
    let server = site.spawn()
    let url = await server.ready
    await client.setUp(url, { chain: chain(steps, { from: 200, to: 900, activities: { [steps - 1]: 'gated' } }) })
    await client.startMany(url, 'chain', starts(random, runs))
    const lost = new Set<number>()
    const pathOf = (run: Acked) => `trajectory/${collection}/${run.task}/${run.trajectoryId}`

    const seenByAll: SeenEvent[][] = []
    const watch = async (run: Acked): Promise<Watched> => {
      const events: SeenEvent[] = []
      seenByAll.push(events)
      for (let connections = 1; ; connections++) {
        const lastEventId = events.findLast((event) => event.id !== undefined)?.id
        const options = lastEventId === undefined ? {} : { lastEventId }
        const keep = (seen: SeenEvent[]) => {
          events.push(...seen.splice(0)) // what has arrived counts, also when the connection breaks
          return false
        }
        await readEvents(`${url}/api/v1/${pathOf(run)}/events`, adminToken, { ...options, enough: keep }).catch(
          () => {},
        )
        if (events.at(-1)?.event === 'end') return { events, connections }
        await pause(50)
      }
    }
    /** What the server died over is sent again until it is answered. */
    const insist = async (method: string, path: string, body?: object): Promise<void> => {
      while ((await client.call(url, method, path, body).catch(() => undefined))?.status !== 200) await pause(100)
    }
    const label = async (run: Acked): Promise<void> => {
      for (let number = 0; number < 6; number++) {
        await pause(random.between(100, 900))
        await insist('POST', `/${pathOf(run)}/labels`, { key: `k${number % 4}`, value: number, author: 'watcher' })
        if (number === 4) await client.call(url, 'DELETE', `/${pathOf(run)}/labels/k1`).catch(() => undefined)
      }
    }
    const watching = Promise.all(
      client.acked.map(async (run) => {
        const [watched] = await Promise.all([watch(run), label(run)])
        return { run, ...watched }
      }),
    )
    await until('each client to see its run', () => seenByAll.every((events) => events.length > 0))
    for (let kill = 0; kill < kills; kill++) {
      await pause(random.between(1_000, 2_000))
      lost.add(server.pid)
      await server.kill()
      server = site.spawn()
      url = await server.ready
    }
    openGate(site) // until then each has its client
    const all = await watching
    await untilAllEnded(site)

    const faults: string[] = []
    for (const { run, events } of all) {
      const after = await readEvents(`${url}/api/v1/${pathOf(run)}/events`, adminToken, {
        lastEventId: events.findLast((event) => event.id !== undefined)?.id ?? 0,
      })
      const ids = [...events, ...after.events].flatMap(({ id }) => (id === undefined ? [] : [id]))
      if (ids.some((id, at) => at > 0 && id <= (ids[at - 1] ?? 0))) faults.push(`${run.trajectoryId}: ids do not rise`)
      const snapshots = events.filter(({ event }) => event === 'snapshot').length
      if (snapshots !== 1) faults.push(`${run.trajectoryId}: ${snapshots} snapshots`)
      const state = assemble({}, [...events, ...after.events])
      const { body: shown } = await client.get(url, run)
      const labels = Object.fromEntries(shown.labels.map((one: { key: string; value: string }) => [one.key, one.value]))
      if (!isDeepStrictEqual(labels, labelled)) faults.push(`${run.trajectoryId}: labels ${JSON.stringify(labels)}`)
      for (const part of ['steps', 'labels', 'status', 'error', 'init_params', 'trajectory_id']) {
        if (!isDeepStrictEqual(state[part], shown[part])) faults.push(`${run.trajectoryId}: other ${part} than stored`)
      }
    }
    const connections = all.reduce((total, one) => total + one.connections, 0)
    const cutOff = all.filter((one) => one.connections > 1).length
    if (cutOff === 0) faults.push('no client had to come back: nothing was shown')
    const report = await check(site, { acked: client.acked, lengths: { chain: steps }, lost })
    tell(name, report, {
      events: all.reduce((total, one) => total + one.events.length, 0),
      connections,
      cutOff,
    })
    return [...faults, ...report.violations]
  } finally {
    await site.close()
  }
}
