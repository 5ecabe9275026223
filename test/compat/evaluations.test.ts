// The requests of the evaluation clients (contract 7.6): they record runs, watch them, and label what ended just now.
import { afterAll, beforeAll, expect } from 'vitest'
import type { Body } from '../server.ts'
import { type Client, type CompatServer, echoing, startCompatServer } from './client.ts'
import { test } from './promise.ts'

let server: CompatServer
let eve: Client
beforeAll(async () => {
  server = await startCompatServer()
  eve = server.client
  await eve.json('POST', '/api/v1/tasks/acme', { name: 'judge', description: '', workflow: echoing })
})
afterAll(() => server?.close())

const get = async (path: string): Promise<Body> => (await eve.send('GET', `/api/v1${path}`)).body
const ingest = (body: object) => eve.json('POST', '/api/v1/trajectories/acme/turns/ingest', body)
const label = (task: string, id: string, key: string, value: string) =>
  eve.json('POST', `/api/v1/trajectory/acme/${task}/${id}/labels`, { key, value, author: 'eve' })

test('the ingest hook: a turn that failed its verdict, into a task that nobody made, sent twice', async () => {
  const turn = {
    trajectory_id: 'session-1-turn_0',
    input: { messages: [{ role: 'user', content: 'Hello' }] },
    output: { text: 'Hi' },
    status: 'failed',
    scores: { helpful: 0.2 },
    labels: { 'eve.verdict': 'failed', 'eve.status': 'done', 'eve.error': 'e'.repeat(280) },
    cost_usd: 0.0031,
    source: 'eve',
    metadata: { session: 'session-1' },
  }
  for (let times = 0; times < 2; times++) expect((await ingest(turn)).status).toBe(200)
  const { trajectories, total } = await get('/db/trajectories/acme/turns?limit=10&page=1')
  expect([total, trajectories[0].status, trajectories[0].attributes.params]).toEqual([
    1,
    'failed',
    { session: 'session-1', source: 'eve' },
  ])
  const labels = trajectories[0].labels.map((one: Body) => one.key)
  expect(labels.sort()).toEqual(['cost_est_usd', 'eve.error', 'eve.status', 'eve.verdict', 'score.helpful'])
})

test('the grade watcher: grades between two pushes of a turn stay, and are in the next list', async () => {
  await ingest({ trajectory_id: 'graded-turn_1', output: 'one', labels: { 'eve.status': 'open' } })
  expect((await label('turns', 'graded-turn_1', 'eval.grade', 'A')).status).toBe(200)
  await ingest({ trajectory_id: 'graded-turn_1', output: 'two', labels: { 'eve.status': 'done' } })
  const { trajectories } = await get('/db/trajectories/acme/turns?limit=200')
  const turn = trajectories.find((one: Body) => one.trajectory_id === 'graded-turn_1')
  const labels = Object.fromEntries(turn.labels.map((one: Body) => [one.key, one.value]))
  expect([labels, turn.steps.eval.outputs.output]).toEqual([{ 'eval.grade': 'A', 'eve.status': 'done' }, 'two'])
})

test('both monitors: pages of whole documents, whose times sort as text', async () => {
  for (let count = 0; count < 3; count++) await eve.form('/api/v1/run-sync/acme/judge', [])
  for (const limit of [1, 5, 20]) {
    const { trajectories } = await get(`/db/trajectories/acme/judge?limit=${limit}&page=1`)
    const created: string[] = trajectories.map((one: Body) => one.created)
    expect(created).toEqual([...created].sort().reverse())
    for (const one of trajectories) {
      expect(one).toMatchObject({
        labels: [],
        init_params: { text: 'Hello!' },
        steps: { echo: { outputs: { text: 'Hello!' } } },
      })
    }
  }
})

test('writeLabelsVerified: 100 runs labelled while they end; no label is lost, and each is read at once', async () => {
  const grade = async (at: number): Promise<void> => {
    const { trajectory_id: id } = (await eve.form('/api/v1/run/acme/judge', [])).body
    const wanted = { 'eval.grade': `grade ${at}`, 'eval.pass': 'true', 'eval.source': 'eve' }
    for (const [key, value] of Object.entries(wanted)) {
      expect((await label('judge', id, key, value)).status).toBe(200)
      const seen = (await get(`/db/trajectory/acme/judge/${id}`)).labels
      expect(seen.at(-1)).toMatchObject({ key, value })
    }
    const done = await server.ended('judge', id)
    expect(Object.fromEntries(done.labels.map((one: Body) => [one.key, one.value]))).toEqual(wanted)
  }
  await Promise.all(Array.from({ length: 100 }, (_, at) => grade(at)))
  const { labels } = await get('/db/stats/acme/judge')
  expect(labels['eval.pass']).toEqual({ true: 100 })
})
