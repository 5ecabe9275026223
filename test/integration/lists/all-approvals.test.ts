import { afterAll, beforeAll, expect, test } from 'vitest'
import { readEvents } from '../../event-stream.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
const workflow = { step_configs: { ask: { activity: 'wait_for_approval', message: 'May it?' } }, steps: ['ask'] }
const collections = ['acme', 'shop', 'other']
const runs: { collection: string; id: string }[] = []

const parked = async (id: string) => {
  const query = 'select from runs where trajectory_id = $1 and lease is null'
  while ((await jetty.server.database.query(query, [id])).length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

beforeAll(async () => {
  jetty = await startTestServer()
  for (const collection of collections) {
    if (collection !== 'acme') await jetty.call('POST', '/api/v1/collections', { name: collection })
    await jetty.call('POST', `/api/v1/tasks/${collection}`, { name: 'gate', workflow })
    for (let at = 0; at < 3; at++) {
      const { body } = await jetty.call('POST', `/api/v1/run/${collection}/gate`, {})
      runs.push({ collection, id: body.trajectory_id })
      await parked(body.trajectory_id)
    }
  }
})
afterAll(() => jetty?.close())

const decide = ({ collection, id }: { collection: string; id: string }, decision: string) =>
  jetty.call('POST', `/api/v1/trajectory/${collection}/gate/${id}/steps/ask/approval`, { decision })
const pages = async (search: string, token?: string): Promise<Body[]> => {
  const found: Body[] = []
  for (let cursor = ''; ; ) {
    const { body } = await jetty.call('GET', `/api/v1/approvals?limit=2&${search}${cursor}`, undefined, token)
    found.push(...body.approvals.map((one: Body) => ({ ...one, total: body.total })))
    if (!body.has_more) return found
    cursor = `&cursor=${body.next_cursor}`
  }
}
const idsOf = (found: Body[]) => found.map((one) => one.trajectory_id)

test('open approvals of all collections, oldest first; a key sees those that it covers', async () => {
  const found = await pages('')
  expect(idsOf(found)).toEqual(runs.map(({ id }) => id))
  expect(found[0]).toMatchObject({ collection: 'acme', state: 'waiting', decision: null, message: 'May it?', total: 9 })
  const { body: key } = await jetty.call('POST', '/api/v1/api-keys', {
    name: 'two',
    collection_name: 'acme',
    collections: ['acme', 'shop'],
  })
  expect((await pages('', key.api_key)).map((one) => one.collection)).not.toContain('other')
  expect(await pages('', key.api_key)).toHaveLength(6)
})

test('the runs that wait for a person, in the list of a collection', async () => {
  const { body } = await jetty.call('GET', '/api/v1/runs/shop?waiting_for=approval')
  const waiting = runs.filter(({ collection }) => collection === 'shop')
  expect(idsOf(body.runs)).toEqual(waiting.map(({ id }) => id).reverse())
  const { body: others } = await jetty.call('GET', '/api/v1/runs/shop?waiting_for=event')
  expect(others.runs).toEqual([])
})

test('decided ones, newest first', async () => {
  const decided = [runs[4], runs[0], runs[8]] as { collection: string; id: string }[]
  for (const run of decided) await decide(run, 'approve')
  const found = await pages('state=decided')
  expect(idsOf(found)).toEqual(decided.map(({ id }) => id).reverse())
  expect(found[0]).toMatchObject({ state: 'decided', decision: 'approve', decided_by: 'admin', total: 3 })
  expect(await pages('')).toHaveLength(6)
})

test('the stream of a collection tells of both', async () => {
  let id = ''
  let asked = false
  let isDecided = false
  const { events } = await readEvents(`${jetty.url}/api/v1/collections/acme/events`, jetty.server.adminToken, {
    enough: (seen) => {
      if (!asked && seen.length > 0) {
        asked = true
        void jetty.call('POST', '/api/v1/run/acme/gate', {}).then(({ body }) => {
          id = body.trajectory_id
        })
      }
      if (!isDecided && seen.some(({ event }) => event === 'approval')) {
        isDecided = true // only now: changes of one approval are merged, as those of a run are
        void parked(id).then(() => decide({ collection: 'acme', id }, 'reject'))
      }
      return seen.some(({ data }) => data.trajectory_id === id && data.status === 'failed')
    },
  })
  const approvals = events.filter(({ event }) => event === 'approval')
  expect(approvals.map(({ data }) => data.state)).toEqual(['waiting', 'decided'])
  expect(approvals[1]?.data).toMatchObject({ collection: 'acme', decision: 'reject', decided_by: 'admin' })
  const follows = events[events.indexOf(approvals[0] as (typeof events)[0]) + 1]
  expect(follows).toMatchObject({ event: 'run', data: { trajectory_id: id, waiting_for: 'approval' } })
})
