import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { wrongTotals } from '../../kept-totals.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
const bulk = '/api/v1/runs/acme/bulk'
const runs = 120

beforeAll(async () => {
  jetty = await startTestServer({ beatMs: 100 })
  for (let at = 0; at < runs; at++) {
    await jetty.call('POST', '/api/v1/trajectories/acme/sent/ingest', {
      trajectory_id: `run-${String(at).padStart(3, '0')}`,
      status: at % 4 === 0 ? 'failed' : 'completed',
      output: 'x',
      ...(at % 10 === 0 && { labels: { quality: 'low' } }),
    })
  }
})
afterAll(() => jetty?.close())

const ended = async (id: string): Promise<Body> => {
  for (;;) {
    const { body } = await jetty.call('GET', `${bulk}/${id}`)
    if (body.state !== 'running') return body
    await pause(20)
  }
}
const act = async (body: object): Promise<Body> => {
  const answer = await jetty.call('POST', bulk, body)
  expect([answer.status, answer.body.detail]).toEqual([202, undefined])
  return ended(answer.body.bulk_id)
}
const list = async (search: string): Promise<string[]> =>
  (await jetty.call('GET', `/api/v1/runs/acme?limit=500&${search}`)).body.runs.map((run: Body) => run.trajectory_id)

describe('labels', () => {
  test('are set on all runs that fit a filter, and restored', async () => {
    const before = await list('label=quality:low')
    const set = await act({
      action: 'label',
      filter: { status: ['failed'] },
      label: { key: 'quality', value: 'bad' },
    })
    expect(set).toMatchObject({ state: 'completed', total: 30, done: 30, skipped: 0, failed: 0, errors: [] })
    const bad = await list('label=quality:bad')
    expect(bad.sort()).toEqual((await list('status=failed')).sort())
    // Somebody changes one of them meanwhile: it is left alone.
    await jetty.call('POST', '/api/v1/trajectory/acme/sent/run-004/labels', {
      key: 'quality',
      value: 'seen',
      author: 'admin',
    })
    const undo = await jetty.call('POST', `${bulk}/${set.bulk_id}/undo`)
    expect(undo.body).toMatchObject({ action: 'undo', undo_of: set.bulk_id })
    expect(await ended(undo.body.bulk_id)).toMatchObject({ state: 'completed', done: 29, skipped: 1 })
    expect(await list('label=quality:bad')).toEqual([])
    expect((await list('label=quality:low')).sort()).toEqual(before.sort())
    expect(await list('label=quality:seen')).toEqual(['run-004'])
  })

  test('are removed and restored with their authors', async () => {
    const before = await jetty.call('GET', '/api/v1/trajectory/acme/sent/run-010/labels')
    const removed = await act({ action: 'unlabel', ids: ['run-010', 'run-011'], unlabel: { key: 'quality' } })
    expect(removed).toMatchObject({ total: 2, done: 1, skipped: 1 })
    expect(await list('label=quality:low&q=run-010')).toEqual([])
    const undo = await jetty.call('POST', `${bulk}/${removed.bulk_id}/undo`)
    await ended(undo.body.bulk_id)
    const after = await jetty.call('GET', '/api/v1/trajectory/acme/sent/run-010/labels')
    expect(after.body.labels).toMatchObject(before.body.labels.map(({ created: _, ...label }: Body) => label))
  })

  test('in use are listed with their values', async () => {
    const { body } = await jetty.call('GET', '/api/v1/runs/acme/labels')
    expect(body.keys.map(({ key }: Body) => key)).toContain('quality')
    const quality = body.keys.find(({ key }: Body) => key === 'quality')
    expect(quality.values[0]).toEqual({ value: 'low', runs: 12 })
    expect((await jetty.call('GET', '/api/v1/runs/acme/labels?after=quality')).body).toEqual({
      keys: [],
      has_more: false,
    })
  })
})

test('runs are cancelled, and ended ones are skipped', async () => {
  const gate = await jetty.task({
    step_configs: { a: { activity: 'wait_for_approval', message: 'On?' } },
    steps: ['a'],
  })
  const ids = await Promise.all([1, 2, 3].map(async () => (await jetty.start(gate)).trajectory_id))
  for (const id of ids) await jetty.until(gate, id, (run) => run.waiting !== null)
  const cancelled = await act({ action: 'cancel', ids: [...ids, 'run-000'] })
  expect(cancelled).toMatchObject({ total: 4, done: 3, skipped: 1 })
  for (const id of ids) await jetty.until(gate, id, (run) => run.status === 'cancelled')
})

test('ended runs are deleted with what they started and with their files; open ones are refused', async () => {
  const child = await jetty.task({ step_configs: { say: { activity: 'text_echo', text: 'x' } }, steps: ['say'] })
  const parent = await jetty.task({
    step_configs: { all: { activity: 'list_emit_await', items_path: 'init_params.items', child_workflow_name: child } },
    steps: ['all'],
  })
  const gate = await jetty.task({
    step_configs: { ok: { activity: 'wait_for_approval', message: '?' } },
    steps: ['ok'],
  })
  const { trajectory_id: id } = await jetty.start(parent, { init_params: { items: [1, 2, 3] } })
  await jetty.until(parent, id, (run) => run.ended !== null)
  const { trajectory_id: open } = await jetty.start(gate, {})
  const total = async () => (await jetty.call('GET', '/api/v1/runs/acme/counts')).body.total
  const before = await total()
  const answer = await act({ action: 'delete', ids: [id, open] })
  expect(answer).toMatchObject({
    done: 1,
    failed: 1,
    errors: [{ trajectory_id: open, error: expect.stringContaining('cancel that first') }],
  })
  expect(await list(`task=${child}&task=${parent}`)).toEqual([])
  expect(await list(`task=${gate}`)).toEqual([open])
  expect(await total()).toBe(before - 4)
  expect((await jetty.call('GET', `/api/v1/db/trajectory/acme/${parent}/${id}`)).status).toBe(404)
  const { body: undone } = await jetty.call('POST', `${bulk}/${answer.bulk_id}/undo`)
  expect(undone.detail).toContain('cannot be undone')
  expect(await wrongTotals((text) => jetty.server.database.query(text))).toEqual([])
  await act({ action: 'cancel', ids: [open] })
})

test('runs that fit a filter are deleted part by part, also where they started very many', async () => {
  await jetty.call('POST', '/api/v1/trajectories/acme/mother/ingest', { trajectory_id: 'mother', output: 'x' })
  await jetty.server.database.query(
    `insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author,
       status, created_at, started_at, ended_at, parent_id, parent_seq, child_index)
     select p.id || '/0/' || n, 'kid-' || n, 'w' || n, p.collection_id, p.task_id, p.name, p.definition, '{}', 'a',
       'completed', now(), now(), now(), p.id, 0, n
     from runs p, generate_series(0, 2499) n where p.trajectory_id = 'mother'`,
  )
  const done = await act({ action: 'delete', filter: { task: ['mother'], top_level: true } })
  expect(done).toMatchObject({ state: 'completed', total: 1, done: 1, failed: 0 })
  expect(await list('task=mother')).toEqual([])
})

describe('runs are repeated', () => {
  test('each once, also where a process died in the middle of a part', async () => {
    const echo = await jetty.task({
      init_params: { text: 'x' },
      step_configs: { a: { activity: 'text_echo', text_path: 'init_params.text' } },
      steps: ['a'],
    })
    const first = await jetty.start(echo)
    await jetty.until(echo, first.trajectory_id, (run) => run.status === 'completed')
    const { body: begun } = await jetty.call('POST', bulk, {
      action: 'rerun',
      filter: { task: [echo], status: ['completed'] },
      rerun: { init_params: { text: 'y' } },
    })
    const done = await ended(begun.bulk_id)
    expect(done).toMatchObject({ total: 1, done: 1 })
    // As another process finds it after the first one died: the part is noted, and nothing is settled.
    await jetty.server.database.query(
      `update bulk_actions set state = 'running', taken = 0, done = 0, position = null, ended_at = null,
         part = '{"taken":1,"position":null}' where id = '${begun.bulk_id}'`,
    )
    expect(await ended(begun.bulk_id)).toMatchObject({ total: 1, done: 1 })
    const { body } = await jetty.call('GET', `/api/v1/runs/acme?task=${echo}&trigger=rerun`)
    expect(body.runs).toHaveLength(1)
    expect(body.runs[0].params).toMatchObject({
      rerun: { of: first.trajectory_id },
      bulk: { bulk_id: begun.bulk_id },
    })
  })

  test('but not ingested ones: each says why', async () => {
    const failed = await act({ action: 'rerun', ids: ['run-001'] })
    expect(failed).toMatchObject({ done: 0, failed: 1, errors: [{ trajectory_id: 'run-001', task: 'sent' }] })
    expect(failed.errors[0].error).toContain('ingested')
    expect((await jetty.call('POST', `${bulk}/${failed.bulk_id}/undo`)).status).toBe(409)
  })
})

test('an Idempotency-Key starts one action', async () => {
  const send = () =>
    fetch(`${jetty.url}${bulk}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${jetty.server.adminToken}`,
        'content-type': 'application/json',
        'idempotency-key': 'once',
      },
      body: JSON.stringify({ action: 'label', ids: ['run-002'], label: { key: 'k', value: 'v' } }),
    }).then((answer) => answer.json() as Promise<Body>)
  const [one, other] = [await send(), await send()]
  expect(other.bulk_id).toBe(one.bulk_id)
  await ended(one.bulk_id)
})

test('an action ends when its key may no longer write', async () => {
  const { body: key } = await jetty.call('POST', '/api/v1/api-keys', { name: 'short', collection_name: 'acme' })
  await jetty.server.database.query(
    `update bulk_actions set due_at = now() + interval '1 hour' where state = 'running'`,
  )
  const change = { action: 'label', filter: { task: ['sent'] }, label: { key: 'late', value: 'x' } }
  const { body } = await jetty.call('POST', bulk, change, key.api_key)
  await jetty.server.database.query(`update api_keys set is_active = false where id = ${key.id}`)
  const over = await ended(body.bulk_id)
  expect(['stopped', 'completed']).toContain(over.state)
  if (over.state === 'stopped') expect(over.reason).toContain('key')
  const audit = await jetty.call('GET', '/api/v1/collections/acme/audit')
  expect(audit.body.entries.some((entry: Body) => entry.operation === 'startBulkAction')).toBe(true)
})

test.each([
  [{ action: 'label', ids: ['run-001'] }, 422],
  [{ action: 'cancel' }, 422],
  [{ action: 'cancel', ids: ['run-001'], filter: {} }, 422],
  [{ action: 'cancel', ids: ['nowhere'] }, 404],
  [{ action: 'cancel', filter: { stauts: ['failed'] } }, 422],
])('%j is refused with %i', async (body, status) => {
  expect((await jetty.call('POST', bulk, body)).status).toBe(status)
})
