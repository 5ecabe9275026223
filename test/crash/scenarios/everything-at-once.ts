import { pause } from '../../../src/lib/time.ts'
import { createTestDatabase } from '../../database.ts'
import { makeClient } from '../harness/client.ts'
import { inconsistencies } from '../harness/orphans.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import type { ServerProcess } from '../harness/server-process.ts'
import { makeSite } from '../harness/site.ts'
import { openRuns, until } from '../harness/storm.ts'

export interface EverythingSize {
  seconds: number
  clients: number
  /** How often a process is killed in the middle, or frozen until others have taken its runs over. */
  kills: number
  /** How often connections to the database are cut. */
  cuts: number
}

const longerThanDeadMs = 8_000
const collections = ['one', 'two', 'three']
const tasks = ['quick', 'slow', 'evals']
const workflows = { quick: chain(2, { from: 0, to: 5 }), slow: chain(3, { from: 100, to: 600 }), evals: chain(1) }

/** What a moment without an answer, a run or a collection may lead to; anything else is a fault. */
const expected = new Set([200, 201, 204, 400, 404, 409, 422, 503, 0])

/**
 * Several processes on one database, and clients that start, ingest, label, cancel, relabel and delete the same few
 * things at the same time: afterwards every number is that of the rows, and nothing is left of what was deleted.
 */
export const everythingAtOnce = async ({ seconds, clients, kills, cuts }: EverythingSize): Promise<string[]> => {
  const name = 'everything at once'
  const random = seeded(name)
  const database = await createTestDatabase()
  const site = makeSite(database.url)
  const client = makeClient()
  const faults = new Set<string>()
  const answers = new Map<string, number>()
  try {
    const servers = [site.spawn(), site.spawn()]
    const urls = await Promise.all(servers.map((server) => server.ready))
    const endAt = Date.now() + seconds * 1000
    const known = new Map<string, string[]>()

    const call = async (url: string, method: string, path: string, body?: unknown) => {
      const reply = await client.call(url, method, path, body).catch(() => undefined)
      const status = reply?.status ?? 0
      const what = `${method} ${path.split('/')[1]} ${status}`
      answers.set(what, (answers.get(what) ?? 0) + 1)
      if (!expected.has(status)) faults.add(`${method} ${path} answered ${status} ${JSON.stringify(reply?.body)}`)
      return reply
    }
    const make = async (url: string, collection: string) => {
      await call(url, 'POST', '/collections', { name: collection })
      for (const [task, workflow] of Object.entries(workflows)) {
        await call(url, 'POST', `/tasks/${collection}`, { name: task, workflow })
      }
    }
    const remember = (place: string, id: unknown) => {
      if (typeof id === 'string') known.set(place, [...(known.get(place) ?? []).slice(-40), id])
    }
    const some = (place: string, most: number): string[] => {
      const ids = known.get(place) ?? []
      return Array.from({ length: Math.min(most, ids.length) }, () => ids[random.between(0, ids.length - 1)] as string)
    }

    const act = async (url: string): Promise<void> => {
      const collection = collections[random.between(0, collections.length - 1)] as string
      const task = tasks[random.between(0, tasks.length - 1)] as string
      const place = `${collection}/${task}`
      const dice = random.between(0, 999)
      if (dice < 250) {
        const init = { start: random.between(1, 999_999) }
        const reply = await call(url, 'POST', `/run/${place}`, { init_params: init })
        remember(place, reply?.body?.trajectory_id)
      } else if (dice < 400) {
        const body = {
          trajectory_id: `eval-${random.between(0, 8)}`,
          status: random.between(0, 2) ? 'completed' : 'failed',
          scores: { a: random.between(0, 3), b: random.between(0, 3) },
          output: random.between(0, 20) ? 'small' : 'large'.repeat(20_000),
        }
        const reply = await call(url, 'POST', `/trajectories/${place}/ingest`, body)
        remember(place, reply?.body?.trajectory_id)
      } else if (dice < 700) {
        for (const id of some(place, 3)) {
          const label = { key: `k${random.between(0, 3)}`, value: random.between(0, 4), author: 'storm' }
          await call(url, 'POST', `/trajectory/${place}/${id}/labels`, label)
        }
      } else if (dice < 780) {
        for (const id of some(place, 2)) await call(url, 'DELETE', `/trajectory/${place}/${id}/labels/k1`)
      } else if (dice < 985) {
        const status = ['cancelled', 'archived', 'failed', 'completed'][random.between(0, 3)]
        const wanted = Object.fromEntries(some(place, 20).map((id) => [id, status]))
        await call(url, 'POST', `/trajectory/${place}/statuses`, wanted)
      } else if (dice < 995) {
        await call(url, 'DELETE', `/tasks/${place}`)
        await call(url, 'POST', `/tasks/${collection}`, { name: task, workflow: workflows[task as 'quick'] })
      } else {
        await call(url, 'DELETE', `/collections/${collection}`)
        await make(url, collection)
      }
    }

    for (const collection of collections) await make(urls[0] as string, collection)
    const clientOf = async (number: number): Promise<void> => {
      while (Date.now() < endAt) await act(urls[number % urls.length] as string)
    }
    const killer = async (): Promise<void> => {
      for (let kill = 0; kill < kills; kill++) {
        await pause((seconds * 1000) / (kills + 1))
        const at = kill % servers.length
        const server = servers[at] as ServerProcess
        if (kill % 3 === 1) {
          server.freeze()
          await pause(longerThanDeadMs)
          server.thaw()
        } else {
          await server.kill()
          servers[at] = site.spawn()
          urls[at] = (await servers[at]?.ready) ?? ''
        }
      }
    }
    const cutter = async (): Promise<void> => {
      for (let cut = 0; cut < cuts; cut++) {
        await pause((seconds * 1000) / (cuts + 1))
        await site.rows(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and application_name like 'jetty%' and random() < 0.3`,
        )
      }
    }
    await Promise.all([...Array.from({ length: clients }, (_, number) => clientOf(number)), killer(), cutter()])
    await until('the end of all runs', async () => (await openRuns(site)) === 0)
    let wrong: string[] = []
    const isAsItShould = async () => {
      wrong = await inconsistencies(site)
      return wrong.length === 0
    }
    await until('what came late to be removed', isAsItShould, 130_000).catch(() => {})
    console.log(`${name}:`, JSON.stringify(Object.fromEntries([...answers].sort())))
    return [...faults, ...wrong]
  } finally {
    await site.close()
    await database.drop()
  }
}
