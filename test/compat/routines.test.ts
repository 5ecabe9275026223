// The routines of the SDK and of the MCP server (contract 7.2 and 7.3).
import { afterAll, beforeAll, expect } from 'vitest'
import type { Body } from '../server.ts'
import { type Client, type CompatServer, echoing, startCompatServer } from './client.ts'
import { test } from './promise.ts'

let server: CompatServer
let client: Client
beforeAll(async () => {
  server = await startCompatServer({}, { clock: () => Date.parse('2026-11-27T09:45:00Z') }) // when none is due
  client = server.client
  await client.json('POST', '/api/v1/tasks/acme', { name: 't', description: '', workflow: echoing })
})
afterAll(() => server?.close())

const routines = '/api/v1/routines/acme'
const one = `${routines}/t/nightly`
/** A POST as these clients send it: without a body, or with an empty object. */
const post = (path: string) => client.send('POST', path)

test('the life of a routine: createRoutine, listRoutines, getRoutine, updateRoutine, pauseRoutine, resumeRoutine, runRoutineNow, listRoutineRuns, deleteRoutine', async () => {
  const made = await client.json('POST', `${routines}/t`, {
    name: 'nightly',
    cadence: { type: 'daily', hour_utc: 3 },
    init_params_overrides: {},
    secret_params: { SLACK_TOKEN: 'xoxb-routine-unmistakable-1' },
  })
  expect([made.status, made.body]).toEqual([201, expect.objectContaining({ name: 'nightly', paused: false })])
  expect(made.body.next_run_at).toMatch(/^\d{4}-\d\d-\d\dT03:00:00\.000000Z$/)
  expect(Number.isInteger(made.body.id)).toBe(true)
  for (const path of [routines, `${routines}/t`]) {
    expect((await client.send('GET', path)).body).toEqual({ routines: [made.body] })
  }
  expect((await client.send('GET', one)).body).toEqual(made.body)

  const paused = await post(`${one}/pause`)
  expect([paused.status, paused.body]).toEqual([200, expect.objectContaining({ ok: true, paused: true })])
  expect((await client.send('GET', one)).body.next_run_at).toBe(null)
  const resumed = await client.json('POST', `${one}/resume`, {})
  expect(resumed.body).toMatchObject({ ok: true, next_run_at: made.body.next_run_at })
  const patched = await client.json('PATCH', one, { cadence: { type: 'hourly', minute_utc: 30 }, secret_params: null })
  expect([patched.status, patched.body]).toEqual([
    200,
    expect.objectContaining({ cadence: { type: 'hourly', minute_utc: 30 }, secret_param_keys: [] }),
  ])

  const started = await post(`${one}/run-now`)
  expect(started.status).toBe(200)
  expect(started.body.workflow_id).toBe(`acme-t--${started.body.trajectory_id}`)
  await server.ended('t', started.body.trajectory_id)
  const runs = (await client.send('GET', `${one}/runs?limit=5`)).body
  expect(runs).toMatchObject({ total: 1, page: 1, limit: 5, has_more: false })
  expect(runs.trajectories[0]).toMatchObject({
    trajectory_id: started.body.trajectory_id,
    triggered_by_routine_id: made.body.id,
    status: 'completed',
  })
  expect((await client.send('GET', `${one}/runs`)).body.limit).toBe(20)
  expect((await client.send('GET', one)).body.last_trajectory_id).toBe(started.body.trajectory_id)

  const gone = await client.send('DELETE', one)
  expect([gone.status, gone.body]).toEqual([200, { ok: true }])
  expect((await client.send('GET', one)).status).toBe(404)
  expect((await client.send('GET', `/api/v1/db/trajectory/acme/t/${started.body.trajectory_id}`)).status).toBe(200)
})

test('list-routines, get-routine, create-routine, update-routine, delete-routine, pause-routine, resume-routine, run-routine-now, list-routine-runs', async () => {
  const at = `${routines}/t/weekly`
  const answers: [string, number][] = []
  const ask = async (tool: string, sent: Promise<{ status: number; type: string; body: Body }>) => {
    const { status, type, body } = await sent
    expect([tool, type]).toEqual([tool, 'application/json'])
    answers.push([tool, status])
    return body
  }
  const cadence = { type: 'weekly', day_of_week: 'mon', hour_utc: 9, minute_utc: 0 }
  await ask('create-routine', client.json('POST', `${routines}/t`, { name: 'weekly', cadence, paused: false }))
  await ask('list-routines', client.send('GET', routines))
  await ask('list-routines of a task', client.send('GET', `${routines}/t`))
  await ask('get-routine', client.send('GET', at))
  await ask('update-routine', client.json('PATCH', at, { cadence: { type: 'manual' }, webhook_url: null }))
  await ask('pause-routine', post(`${at}/pause`))
  await ask('resume-routine', post(`${at}/resume`))
  const { trajectory_id: id } = await ask('run-routine-now', post(`${at}/run-now`))
  const runs = await ask('list-routine-runs', client.send('GET', `${at}/runs`))
  expect(runs.trajectories.map((run: Body) => run.trajectory_id)).toEqual([id])
  await ask('delete-routine', client.send('DELETE', at))
  expect(answers.map(([, status]) => status)).toEqual([201, 200, 200, 200, 200, 200, 200, 200, 200, 200])
})

test('a key manages the routines of its own collection alone', async () => {
  await server.admin.json('POST', '/api/v1/collections/', { name: 'foreign' })
  await server.admin.json('POST', '/api/v1/tasks/foreign', { name: 't', workflow: echoing })
  const body = { name: 'r', cadence: { type: 'manual' } }
  expect((await server.admin.json('POST', '/api/v1/routines/foreign/t', body)).status).toBe(201)
  for (const [method, path] of [
    ['GET', ''],
    ['GET', '/t'],
    ['GET', '/t/r'],
    ['POST', '/t/r/run-now'],
  ] as const) {
    const answer = await client.send(method, `/api/v1/routines/foreign${path}`)
    expect([answer.status, answer.body.detail]).toEqual([404, expect.stringMatching(/not found/)])
  }
})
