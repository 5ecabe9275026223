import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { trajectorySchema } from '../../../src/model/runs/trajectory.ts'
import { readEvents } from '../../event-stream.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { ingesting } from './ingesting.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_MAX_BODY_BYTES: '200KiB', JETTY_MAX_LABELS_PER_RUN: '100' } })
})
afterAll(() => jetty?.close())

const { api, ingest, get, stats, pairs, freshTask } = ingesting(() => jetty)

describe('what was sent in', () => {
  test('stands in the document, field by field; the task is made on the way', async () => {
    const task = freshTask()
    const answer = await ingest(task, {
      input: { question: 'Why?', n: 1 },
      output: ['because', null],
      status: 'failed',
      scores: { tone: 0.25, length: 3 },
      labels: { 'eve.error': 'too long', pass: 'no' },
      cost_usd: 0.0125,
      trajectory_id: 'sess-1_x.2:a-turn_0',
      source: 'eve',
      eval_id: 'e-1',
      metadata: { build: 7, nested: { a: [1] } },
      author: 'eve@ci',
      created: '2026-01-05T10:00:00Z',
      completed: '2026-01-05T10:00:09.412Z',
    })
    const id = 'sess-1_x.2:a-turn_0'
    const labels = [
      ['score.tone', '0.25', 'eve@ci'],
      ['score.length', '3', 'eve@ci'],
      ['cost_est_usd', '0.0125', 'eve@ci'],
      ['eve.error', 'too long', 'eve@ci'],
      ['pass', 'no', 'eve@ci'],
    ]
    expect([answer.status, { ...answer.body, labels: pairs(answer.body.labels) }]).toEqual([
      200,
      { trajectory_id: id, name: `acme/${task}`, storage_path: `acme/${task}/0000`, status: 'failed', labels },
    ])
    const shown = await get(task, id)
    trajectorySchema.parse(shown)
    expect(shown).toMatchObject({
      name: `acme/${task}`,
      trajectory_id: id,
      workflow_id: `acme-${task}--${id}`,
      status: 'failed',
      attributes: {
        asset_type: 'trajectory',
        asset_filename: `${id}.json`,
        created: '2026-01-05T10:00:00.000000Z',
        params: { build: 7, nested: { a: [1] }, source: 'eve', eval_id: 'e-1' },
      },
      created: '2026-01-05T10:00:00.000000Z',
      updated: '2026-01-05T10:00:09.412000Z',
      started: '2026-01-05T10:00:00.000000Z',
      ended: '2026-01-05T10:00:09.412000Z',
      duration_seconds: 9.412,
      author: 'eve@ci',
      init_params: { input: { question: 'Why?', n: 1 } },
      total_steps: ['eval'],
      completed_steps: [],
      step_configs: { eval: { activity: 'ingest' } },
      error: null,
      labels: answer.body.labels,
    })
    expect(Object.keys(shown.steps)).toEqual(['eval'])
    expect(shown.steps.eval).toMatchObject({
      activity: 'ingest',
      key: 'eval',
      status: 'failed',
      inputs: { input: { question: 'Why?', n: 1 } },
      outputs: { output: ['because', null] },
      created: shown.created,
      ended: shown.ended,
      config: { activity: 'ingest' },
    })
    const made = (await api('GET', `/tasks/acme/${task}`)).body
    expect([made.description, made.workflow, made.is_private]).toEqual([
      'Ingested evaluations',
      { init_params: {}, step_configs: {}, steps: [] },
      true,
    ])
    const list = (await api('GET', `/db/trajectories/acme/${task}`)).body
    expect([list.total, list.trajectories]).toEqual([1, [shown]])
  })

  test('may be nothing at all: everything has a default', async () => {
    const before = Date.now()
    const task = freshTask()
    const { status, body } = await ingest(task, {})
    expect([status, body]).toEqual([
      200,
      {
        trajectory_id: expect.stringMatching(/^[0-9a-f]{8}$/),
        name: `acme/${task}`,
        storage_path: `acme/${task}/0000`,
        status: 'completed',
        labels: [],
      },
    ])
    const shown = await get(task, body.trajectory_id)
    expect(shown).toMatchObject({
      status: 'completed',
      author: 'ingest',
      init_params: {},
      attributes: { params: {} },
      completed_steps: ['eval'],
      steps: { eval: { status: 'completed', inputs: {}, outputs: {} } },
    })
    expect(Date.parse(shown.created)).toBeGreaterThanOrEqual(before)
    expect(shown.ended >= shown.created).toBe(true)
    const nulls = await ingest(task, { input: null, output: null, status: null, labels: null, created: null })
    expect(await get(task, nulls.body.trajectory_id)).toMatchObject({
      init_params: { input: null },
      steps: { eval: { outputs: { output: null } } },
    })
  })

  test('keeps the text of its values: order of keys, long numbers, unicode, NUL in JSON', async () => {
    const task = freshTask()
    const value = '{"zeta":1,"alpha":12345678901234567890,"nul":"a\\u0000b","face":"😀","lone":"\\ud800","x":1.50}'
    const { body, status } = await ingest(task, `{"input": ${value}, "output": ${value}, "trajectory_id": "t"}`)
    expect([status, body.trajectory_id]).toEqual([200, 't'])
    const response = await fetch(`${jetty.url}/api/v1/db/trajectory/acme/${task}/t`, {
      headers: { authorization: `Bearer ${jetty.server.adminToken}` },
    })
    const text = await response.text()
    expect(text).toContain(`"init_params":{"input":${value}}`)
    expect(text).toContain(`"outputs":{"output":${value}}`)
  })

  test('may be large: what no row holds stands elsewhere, and an overwrite leaves nothing behind', async () => {
    const task = freshTask()
    const large = 'x'.repeat(90_000)
    await ingest(task, { input: large, output: large, trajectory_id: 'big' })
    expect((await get(task, 'big')).steps.eval.outputs.output).toBe(large)
    await ingest(task, { input: 'small', output: 'small', trajectory_id: 'big' })
    expect((await get(task, 'big')).steps.eval).toMatchObject({
      inputs: { input: 'small' },
      outputs: { output: 'small' },
    })
    const rows = await jetty.server.database.query(
      `select p.id from payloads p join runs r on r.id = p.run_id where r.trajectory_id = 'big'`,
    )
    expect(rows).toEqual([])
  })

  test('is refused by the name of the field that does not fit, and nothing is made', async () => {
    const task = freshTask()
    for (const [body, loc] of [
      [{ status: 'running' }, ['body', 'status']],
      [{ status: 'pending' }, ['body', 'status']],
      [{ status: 'timed_out' }, ['body', 'status']],
      [{ trajectory_id: '' }, ['body', 'trajectory_id']],
      [{ trajectory_id: 'a/b' }, ['body', 'trajectory_id']],
      [{ trajectory_id: 'ü' }, ['body', 'trajectory_id']],
      [{ trajectory_id: '.' }, ['body', 'trajectory_id']],
      [{ trajectory_id: '..' }, ['body', 'trajectory_id']],
      [{ trajectory_id: 'x'.repeat(201) }, ['body', 'trajectory_id']],
      [{ scores: { a: 'high' } }, ['body', 'scores', 'a']],
      [{ scores: { ['s'.repeat(200)]: 1 } }, ['body', 'scores', 's'.repeat(200)]],
      [{ labels: { a: { b: 1 } } }, ['body', 'labels', 'a']],
      [{ labels: { '': 'x' } }, ['body', 'labels', '']],
      [{ labels: { a: 'x\0' } }, ['body', 'labels', 'a']],
      [{ labels: { a: 'x'.repeat(9000) } }, ['body', 'labels', 'a']],
      [{ cost_usd: 'much' }, ['body', 'cost_usd']],
      [{ author: '' }, ['body', 'author']],
      [{ author: 'a\0' }, ['body', 'author']],
      [{ metadata: [1] }, ['body', 'metadata']],
      [{ created: 'yesterday' }, ['body', 'created']],
      [{ created: '2026-01-02T00:00:00Z', completed: '2026-01-01T00:00:00Z' }, ['body', 'completed']],
    ] as const) {
      const answer = await ingest(task, body)
      expect([body, answer.status, answer.body.detail?.[0]?.loc]).toEqual([body, 422, loc])
    }
    const deep = await ingest(task, `{"input":${'['.repeat(600)}${']'.repeat(600)}}`)
    expect(deep.status).toBe(422)
    expect((await ingest(task, { input: 'x'.repeat(300_000) })).status).toBe(413)
    const many = Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`k${at}`, '1']))
    expect((await ingest(task, { labels: many })).status).toBe(422)
    expect((await api('GET', `/tasks/acme/${task}`)).status).toBe(404)
    for (const name of ['search', '_calls', '%20']) expect((await ingest(name, {})).status).toBe(422)
    expect((await api('POST', '/trajectories/none/x/ingest', {})).status).toBe(404)
  })

  test('a label given by name wins over a score of the same key; numbers become text', async () => {
    const task = freshTask()
    const { body } = await ingest(task, {
      scores: { a: 1, b: 1e21 },
      cost_usd: 2,
      labels: { 'score.a': 'high', cost_est_usd: 3, ok: true },
    })
    expect(pairs(body.labels)).toEqual([
      ['score.b', '1e+21', 'ingest'],
      ['score.a', 'high', 'ingest'],
      ['cost_est_usd', '3', 'ingest'],
      ['ok', 'true', 'ingest'],
    ])
  })

  test('what is left out never ends before it began', async () => {
    const task = freshTask()
    const past = (await ingest(task, { completed: '2020-01-01T00:00:00Z' })).body.trajectory_id
    expect(await get(task, past)).toMatchObject({ duration_seconds: 0, ended: '2020-01-01T00:00:00.000000Z' })
    const future = (await ingest(task, { created: '2050-01-01T00:00:00Z' })).body.trajectory_id
    expect(await get(task, future)).toMatchObject({ duration_seconds: 0, ended: '2050-01-01T00:00:00.000000Z' })
    const list = (await api('GET', `/db/trajectories/acme/${task}`)).body
    expect(list.trajectories.map((run: Body) => run.trajectory_id)).toEqual([future, past])
  })

  test('has one entry in its log, however it ended, and can be given another status', async () => {
    const task = freshTask()
    await ingest(task, { status: 'failed', trajectory_id: 'logged' })
    const logs = await api('GET', `/workflows-logs/acme-${task}--logged`)
    expect(logs.body).toMatchObject({ trajectory_id: 'logged', status: 'failed' })
    expect(logs.body.events.map((event: Body) => [event.level, event.type])).toEqual([['info', 'run_ingested']])
    const relabelled = await api('POST', `/trajectory/acme/${task}/statuses`, { logged: 'cancelled' })
    expect(relabelled.body.updated).toEqual({ logged: 'cancelled' })
    expect((await stats(task)).by_status).toMatchObject({ failed: 0, cancelled: 1 })
    await ingest(task, { trajectory_id: 'logged' })
    expect((await stats(task)).by_status).toMatchObject({ completed: 1, failed: 0, cancelled: 0 })
  })
})

describe('the same id again', () => {
  test('overwrites in place: one run, the same totals, and the labels of others stay', async () => {
    const task = freshTask()
    const first = await ingest(task, {
      input: 1,
      output: 1,
      status: 'failed',
      scores: { a: 1, b: 2 },
      trajectory_id: 'again',
      created: '2026-01-01T00:00:00Z',
      completed: '2026-01-01T00:00:10Z',
      metadata: { gone: true },
    })
    expect(first.status).toBe(200)
    const path = `/trajectory/acme/${task}/again/labels`
    expect((await api('POST', path, { key: 'score.a', value: 'mine', author: 'watcher' })).status).toBe(200)
    const second = await ingest(task, {
      input: 2,
      output: 2,
      scores: { a: 9 },
      trajectory_id: 'again',
      completed: '2026-01-01T00:00:20Z',
      author: 'ingest',
    })
    expect(pairs(second.body.labels)).toEqual([
      ['score.b', '2', 'ingest'],
      ['score.a', 'mine', 'watcher'],
      ['score.a', '9', 'ingest'],
    ])
    const shown = await get(task, 'again')
    expect(shown).toMatchObject({
      status: 'completed',
      created: '2026-01-01T00:00:00.000000Z',
      duration_seconds: 20,
      init_params: { input: 2 },
      attributes: { params: {} },
      steps: { eval: { status: 'completed', outputs: { output: 2 } } },
      labels: second.body.labels,
    })
    expect((await api('GET', `/db/trajectories/acme/${task}`)).body.total).toBe(1)
    expect(await stats(task)).toMatchObject({
      total: 1,
      by_status: { completed: 1, failed: 0 },
      avg_duration_seconds: 20,
      steps: { eval: { count: 1, failed: 0, avg_duration_seconds: 20 } },
    })
  })

  test('moves to another place of the list when it began at another time, labels and all', async () => {
    const task = freshTask()
    const at = (created: string, id: string) =>
      ingest(task, { created, completed: created, trajectory_id: id, labels: { set: 'x' } })
    await at('2026-01-01T00:00:00Z', 'one')
    await at('2026-01-02T00:00:00Z', 'two')
    await at('2026-01-03T00:00:00Z', 'one')
    for (const query of ['', '?label=set:x']) {
      const list = (await api('GET', `/db/trajectories/acme/${task}${query}`)).body
      expect([query, list.trajectories.map((run: Body) => run.trajectory_id)]).toEqual([query, ['one', 'two']])
    }
  })

  test('in another task is another run; each is found by its own names', async () => {
    const [left, right] = [freshTask(), freshTask()]
    await ingest(left, { output: 'left', trajectory_id: 'turn_0' })
    await ingest(right, { output: 'right', trajectory_id: 'turn_0' })
    expect((await get(left, 'turn_0')).steps.eval.outputs.output).toBe('left')
    expect((await get(right, 'turn_0')).steps.eval.outputs.output).toBe('right')
    for (const task of [left, right]) {
      const logs = await api('GET', `/workflows-logs/${encodeURIComponent(`acme-${task}--turn_0`)}`)
      expect(logs.body.workflow_id).toBe(`acme-${task}--turn_0`)
    }
    const changed = await api('POST', `/trajectory/acme/${left}/statuses`, { turn_0: 'archived' })
    expect(changed.body.updated).toEqual({ turn_0: 'archived' })
    expect([(await get(left, 'turn_0')).status, (await get(right, 'turn_0')).status]).toEqual(['archived', 'completed'])
  })

  test('of another collection: a bare id is the run of the caller, and nobody reads the other one', async () => {
    await api('POST', '/collections', { name: 'beta' })
    const key = (await api('POST', '/api-keys', { name: 'of-beta', collection_name: 'beta' })).body.api_key
    await ingest('shared', { output: 'acme', trajectory_id: 'turn_7' })
    const foreign = await api('GET', '/workflows-logs/turn_7', undefined, key)
    expect([foreign.status, foreign.body.detail]).toEqual([404, "Workflow 'turn_7' not found"])
    await api('POST', '/trajectories/beta/shared/ingest', { output: 'beta', trajectory_id: 'turn_7' }, key)
    await ingest('shared', { output: 'acme', trajectory_id: 'turn_7' })
    const own = await api('GET', '/workflows-logs/turn_7', undefined, key)
    expect([own.status, own.body.workflow_id]).toEqual([200, 'beta-shared--turn_7'])
    expect((await api('GET', '/workflows-logs/acme-shared--turn_7', undefined, key)).status).toBe(404)
    expect((await ingest('shared', { trajectory_id: 'turn_7' }, key)).status).toBe(404)
  })

  test('after the task was renamed and another one took its name, the newer task has it', async () => {
    const task = freshTask()
    await ingest(task, { output: 'old', trajectory_id: 'turn_1' })
    await api('PUT', `/tasks/acme/${task}`, { name: `${task}-renamed` })
    expect((await get(task, 'turn_1')).steps.eval.outputs.output).toBe('old')
    await ingest(task, { output: 'new', trajectory_id: 'turn_1' })
    expect((await get(task, 'turn_1')).steps.eval.outputs.output).toBe('new')
    expect((await get(`${task}-renamed`, 'turn_1')).steps.eval.outputs.output).toBe('old')
    await ingest(`${task}-renamed`, { output: 'older', trajectory_id: 'turn_1' })
    expect(await get(`${task}-renamed`, 'turn_1')).toMatchObject({ steps: { eval: { outputs: { output: 'older' } } } })
    const path = `/trajectory/acme/${task}/statuses`
    expect((await api('POST', path, { turn_1: 'archived' })).body.updated).toEqual({ turn_1: 'archived' })
    expect((await get(`${task}-renamed`, 'turn_1')).status).toBe('completed')
  })

  test('of a run of the task that was executed here is refused; that another task or collection has it is not told', async () => {
    const ran = await jetty.run({ steps: ['a'], step_configs: { a: { activity: 'text_echo', text: 'x' } } })
    const same = await ingest(ran.task, { trajectory_id: ran.trajectory_id })
    expect([same.status, same.body.detail]).toEqual([409, expect.stringMatching(/executed on this server/)])
    const unmade = freshTask()
    const other = await ingest(unmade, { trajectory_id: ran.trajectory_id, output: 'mine' })
    expect([other.status, other.body.trajectory_id]).toEqual([200, ran.trajectory_id])
    await api('POST', '/collections', { name: 'gamma' })
    const key = (await api('POST', '/api-keys', { name: 'of-gamma', collection_name: 'gamma' })).body.api_key
    const sent = { trajectory_id: ran.trajectory_id, output: 'theirs' }
    const foreign = await api('POST', `/trajectories/gamma/${unmade}/ingest`, sent, key)
    expect([foreign.status, foreign.body.trajectory_id]).toEqual([200, ran.trajectory_id])
    expect((await get(unmade, ran.trajectory_id)).steps.eval.outputs.output).toBe('mine')
    const log = await api('GET', `/workflows-logs/${ran.trajectory_id}`)
    expect(log.body.workflow_id).toBe(ran.workflow_id)
    const own = await api('GET', `/workflows-logs/${ran.trajectory_id}`, undefined, key)
    expect(own.body.workflow_id).toBe(`gamma-${unmade}--${ran.trajectory_id}`)
    expect(await get(ran.task, ran.trajectory_id)).toEqual(ran.trajectory)
    const free = await ingest(unmade, { trajectory_id: 'cafe0123' })
    expect(free.body.trajectory_id).toBe('cafe0123')
    expect((await ingest(unmade, { trajectory_id: 'cafe0123', status: 'failed' })).body.status).toBe('failed')
  })

  test('is seen by who watches the run', async () => {
    const task = freshTask()
    await ingest(task, { output: 'one', trajectory_id: 'watched' })
    const url = `${jetty.url}/api/v1/trajectory/acme/${task}/watched/events`
    const token = jetty.server.adminToken
    const all = (await readEvents(url, token)).events
    expect(all.map(({ event }) => event)).toEqual(['snapshot', 'end'])
    await ingest(task, { output: 'two', status: 'failed', labels: { a: 'b' }, trajectory_id: 'watched' })
    const since = (await readEvents(url, token, { lastEventId: all[0]?.id ?? '' })).events
    expect(since.map(({ event }) => event)).toEqual(expect.arrayContaining(['step', 'status', 'label', 'end']))
    expect(since.find(({ event }) => event === 'step')?.data.outputs).toEqual({ output: 'two' })
    expect(since.at(-1)?.data.status).toBe('failed')
    const ids = since.flatMap(({ id }) => (id === undefined ? [] : [id]))
    expect(ids).toEqual([...new Set(ids)].sort((left, right) => left - right))
  })
})

test('a READ key may not send anything in', async () => {
  const key = (await api('POST', '/api-keys', { name: 'reads', collection_name: 'acme', access_level: 'READ' })).body
  const answer = await ingest(freshTask(), {}, key.api_key)
  expect([answer.status, answer.body.detail]).toEqual([403, 'Access level WRITE required.'])
})
