import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { trajectoryListSchema, trajectorySchema } from '../../../src/model/runs/trajectory.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
})
afterAll(() => jetty?.close())

const echo = (given: Record<string, unknown>) => ({ activity: 'text_echo', ...given })
const greeting = {
  init_params: { text: 'hi', keep: 1 },
  step_configs: { zeta: echo({ text_path: 'init_params.text' }), alpha: echo({ text_path: 'zeta.outputs.text' }) },
  steps: ['zeta', 'alpha'],
}
const api = (method: string, path: string, body?: unknown, token?: string) =>
  jetty.call(method, `/api/v1${path}`, body, token)
const startMany = async (task: string, count: number): Promise<Body[]> =>
  Promise.all(Array.from({ length: count }, () => jetty.start(task)))
const ids = (rows: Body[]): string[] => rows.map((row) => row.trajectory_id)
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/

describe('the document', () => {
  test('has every field of the contract, with its type', async () => {
    const id = (await jetty.run(greeting)).trajectory_id
    const list = (await api('GET', '/db/trajectories/acme/t1')).body
    const answer = await api('GET', `/db/trajectory/acme/t1/${id}`)
    expect([answer.status, answer.headers.get('cache-control'), answer.headers.get('content-type')]).toEqual([
      200,
      'no-store',
      'application/json',
    ])
    const shown = answer.body
    expect(list.trajectories).toEqual([shown])
    trajectorySchema.parse(shown)
    expect(shown).toEqual({
      name: 'acme/t1',
      trajectory_id: expect.stringMatching(/^[0-9a-f]{8}$/),
      workflow_id: `acme-t1--${id}`,
      collection: 'acme',
      task: 't1',
      storage_path: 'acme/t1/0000',
      status: 'completed',
      waiting: null,
      attributes: { asset_type: 'trajectory', asset_filename: `${id}.json`, created: shown.created, params: {} },
      created: expect.stringMatching(time),
      updated: expect.stringMatching(time),
      started: expect.stringMatching(time),
      ended: expect.stringMatching(time),
      duration_seconds: expect.any(Number),
      author: 'admin',
      recorded_by: 'admin',
      metadata_uri: '',
      steps: { zeta: expect.any(Object), alpha: expect.any(Object) },
      labels: [],
      total_steps: ['zeta', 'alpha'],
      completed_steps: ['zeta', 'alpha'],
      init_params: { text: 'hi', keep: 1 },
      step_configs: greeting.step_configs,
      org_id: null,
      error: null,
      error_detail: null,
      triggered_by_routine_id: null,
      webhook_url: null,
      trial: null,
      url: `${jetty.url}/acme/t1/${id}`,
      task_version: shown.steps.alpha.origin.task_version,
      version_number: 0,
      usage: null,
      cost_usd: null,
    })
    expect(Object.keys(shown.steps)).toEqual(['zeta', 'alpha'])
    expect(shown.steps.alpha).toEqual({
      activity: 'text_echo',
      key: 'alpha',
      status: 'completed',
      error: null,
      inputs: { text: 'hi' },
      outputs: { text: 'hi' },
      depends_on: ['zeta'],
      created: expect.stringMatching(time),
      ended: expect.stringMatching(time),
      duration_seconds: expect.any(Number),
      attempt: 1,
      ready_at: shown.steps.zeta.ended,
      author: 'admin',
      recorded_by: 'admin',
      origin: { task: 'acme/t1', task_version: expect.stringMatching(/^[0-9a-f]{64}$/) },
      config: greeting.step_configs.alpha,
    })
    const alias = await api('GET', `/trajectory/acme/t1/${id}`)
    expect([alias.body, alias.headers.get('cache-control')]).toEqual([shown, 'no-store'])
  })

  test('of a failed run names the step and the cause; later steps are not there', async () => {
    const failed = await jetty.run({
      step_configs: {
        one: echo({ text: 'x' }),
        two: echo({ text_path: 'one.outputs.none' }),
        three: echo({ text: 1 }),
      },
      steps: ['one', 'two', 'three'],
    })
    trajectorySchema.parse(failed)
    expect(failed).toMatchObject({ status: 'failed', completed_steps: ['one'], total_steps: ['one', 'two', 'three'] })
    expect(failed.error).toMatch(/^Step 'two' failed: /)
    expect(failed.steps.two).toMatchObject({ status: 'failed', outputs: {}, error: expect.stringMatching(/none/) })
    expect(Object.keys(failed.steps)).toEqual(['one', 'two'])
  })

  test('is not found under another task, another collection, or an id that never was', async () => {
    const [other, { trajectory_id: id }] = [await jetty.task(greeting), await jetty.run(greeting)]
    for (const path of [
      `acme/${other}/${id}`,
      `acme/none/${id}`,
      'acme/t1/cafecafe',
      'acme/t1/..%5c',
      `nope/t1/${id}`,
    ]) {
      const answer = await api('GET', `/db/trajectory/${path}`)
      expect([path, answer.status]).toEqual([path, 404])
    }
    expect((await api('GET', '/db/trajectory/acme/t1/cafecafe')).body.detail).toBe("Trajectory 'cafecafe' not found")
  })

  test('follows a renamed task, under both names, and stays when the task is deleted', async () => {
    const task = await jetty.task(greeting)
    const { trajectory_id: id } = await jetty.start(task)
    await jetty.until(task, id, (seen) => seen.ended !== null)
    await api('PUT', `/tasks/acme/${task}`, { name: 'renamed' })
    for (const name of [task, 'renamed', 'RENAMED']) {
      expect((await api('GET', `/db/trajectory/acme/${name}/${id}`)).body).toMatchObject({ name: `acme/${task}`, task })
    }
    expect(ids((await api('GET', '/db/trajectories/acme/renamed')).body.trajectories)).toEqual([id])
    await api('DELETE', '/tasks/acme/renamed')
    expect((await api('GET', '/db/trajectories/acme/renamed')).body).toMatchObject({ total: 1, has_more: false })
    for (const name of [task, 'renamed', 'RENAMED']) {
      expect((await api('GET', `/db/trajectory/acme/${name}/${id}`)).body.trajectory_id).toBe(id)
    }
    const label = { key: 'k', value: 'v', author: 'a' }
    expect((await api('POST', `/trajectory/acme/renamed/${id}/labels`, label)).status).toBe(200)
    expect((await api('POST', '/trajectory/acme/renamed/statuses', { [id]: 'archived' })).status).toBe(200)
    await api('POST', '/trajectory/acme/renamed/statuses', { [id]: 'completed' })
    const unused = await jetty.task(greeting)
    await api('DELETE', `/tasks/acme/${unused}`)
    expect((await api('GET', `/db/trajectories/acme/${unused}`)).body).toMatchObject({ trajectories: [], total: 0 })
    expect((await api('GET', `/db/trajectory/acme/${task}/${id}`)).body.status).toBe('completed')
    expect((await api('GET', `/workflows-logs/acme-${task}--${id}`)).status).toBe(200)
  })
})

test('an id that no run can have is refused or not found, never a bug', async () => {
  const task = await jetty.task({})
  const set = (id: string) => api('POST', `/trajectory/acme/${task}/statuses`, { [id]: 'failed' })
  const refused = await set('a\0b')
  expect([refused.status, refused.body.detail[0].msg]).toEqual([422, 'NUL is not allowed'])
  expect((await set('a/b ü')).status).toBe(404)
})

describe('the list', () => {
  const list = (task: string, query = '') => api('GET', `/db/trajectories/acme/${task}${query}`)

  test('has five fields, pages newest first, and is empty past the end', async () => {
    const task = await jetty.task({})
    const started = []
    for (let count = 0; count < 7; count++) started.push((await jetty.start(task)).trajectory_id)
    const first = (await list(task, '?limit=3')).body
    trajectoryListSchema.parse(first)
    expect(first).toMatchObject({ total: 7, page: 1, limit: 3, has_more: true })
    const pages = [first, (await list(task, '?limit=3&page=2')).body, (await list(task, '?limit=3&page=3')).body]
    expect(pages.flatMap((page) => ids(page.trajectories))).toEqual(started.reverse())
    expect(pages.map((page) => page.has_more)).toEqual([true, true, false])
    const past = (await list(task, '?limit=3&page=4')).body
    expect(past).toMatchObject({ trajectories: [], total: 7, page: 4, limit: 3, has_more: false })
    expect((await list(task)).body).toMatchObject({ limit: 20, page: 1, has_more: false })
    expect((await list(task, '?limit=7')).body.has_more).toBe(false)
  })

  test('limits: more than 500 is 500, less than one and words are refused by name', async () => {
    const task = await jetty.task({})
    const empty = await list(task, '?limit=9999')
    expect([empty.status, empty.body]).toEqual([
      200,
      expect.objectContaining({ trajectories: [], total: 0, page: 1, limit: 500, has_more: false }),
    ])
    for (const [name, value] of [
      ['limit', '0'],
      ['limit', '-1'],
      ['limit', 'ten'],
      ['limit', '1.5'],
      ['limit', ''],
      ['page', '0'],
      ['page', 'x'],
      ['cursor', 'abc'],
    ]) {
      const answer = await list(task, `?${name}=${value}`)
      expect([name, value, answer.status, answer.body.detail[0].loc]).toEqual([name, value, 422, ['query', name]])
    }
    const none = await list('none')
    expect([none.status, none.body.trajectories]).toEqual([200, []]) // a first ingest makes its task
  })

  test('numbers are digits: none at all, other notations and spaces are refused, in every list', async () => {
    const task = await jetty.task({})
    for (const path of [`/db/trajectories/acme/${task}?limit=`, '/collections?limit=', '/tasks/acme?skip=']) {
      for (const value of ['', '0x10', '1e2', '%2B5', '%205', 'ten', '1.5']) {
        const answer = await api('GET', `${path}${value}`)
        expect([path, value, answer.status, answer.body.detail?.[0]?.msg]).toEqual([
          path,
          value,
          422,
          'Expected a whole number',
        ])
      }
    }
  })

  test('the total is right after 200 runs at once', async () => {
    const task = await jetty.task({ steps: ['a'], step_configs: { a: echo({ text: 'x' }) } })
    const answers = await startMany(task, 200)
    expect(new Set(ids(answers)).size).toBe(200)
    const all = (await list(task, '?limit=500')).body
    expect([all.total, all.has_more]).toEqual([200, false])
    expect(ids(all.trajectories).sort()).toEqual(ids(answers).sort())
  })

  test('a cursor walks all runs exactly once, whatever is started meanwhile', async () => {
    const task = await jetty.task({})
    const before = ids(await startMany(task, 45))
    const walked: string[] = []
    let query = '?limit=7'
    for (;;) {
      const { body } = await list(task, query)
      walked.push(...ids(body.trajectories))
      if (!body.has_more) {
        expect(body.next_cursor).toBeNull()
        break
      }
      query = `?limit=7&cursor=${body.next_cursor}`
      await startMany(task, 3)
    }
    expect(walked.length).toBe(45)
    expect(walked.sort()).toEqual(before.sort())
    expect((await list(task)).body.total).toBe(45 + 3 * 6)
  })
})

describe('logs', () => {
  test('of a run: by level, by time, by either id, oldest first', async () => {
    const failed = await jetty.run({
      step_configs: { one: echo({ text: 'x', txt: 1 }), two: echo({ text_path: 'env.NONE' }) },
      steps: ['one', 'two'],
    })
    const logs = async (query = '', id = failed.workflow_id) => (await api('GET', `/workflows-logs/${id}${query}`)).body
    const all = await logs()
    expect(all).toMatchObject({
      workflow_id: failed.workflow_id,
      trajectory_id: failed.trajectory_id,
      status: 'failed',
    })
    expect(all.events.map((event: Body) => event.type)).toEqual([
      'run_created',
      'run_started',
      'step_started',
      'warning',
      'step_completed',
      'step_started',
      'step_failed',
      'run_failed',
    ])
    const times = all.events.map((event: Body) => event.timestamp)
    expect(times).toEqual([...times].sort())
    const errors = (await logs('?level=error')).events
    expect(errors.length).toBeGreaterThan(0)
    expect(errors[0]).toMatchObject({
      step: 'two',
      level: 'error',
      message: expect.stringMatching(/^Step 'two' failed: parameter .*NONE/),
    })
    expect(errors.map((event: Body) => event.message)).toEqual([failed.error, failed.error])
    expect((await logs(`?after=${times.at(-1)}`)).events).toEqual([])
    expect((await logs(`?after=${failed.created}`)).events).toHaveLength(
      times.filter((at: string) => at > failed.created).length,
    )
    const second = failed.created.slice(0, 19)
    expect((await logs(`?after=${second}Z`)).events).toHaveLength(
      times.filter((at: string) => at !== `${second}.000000Z`).length,
    )
    expect((await logs('?after=2000-01-01T01:00:00%2B01:00')).events).toHaveLength(times.length)
    expect(await logs('', failed.trajectory_id)).toEqual(all)
    expect(await logs('', failed.workflow_id.replaceAll('-', '%2D'))).toEqual(all)
    for (const query of ['?level=loud', '?after=yesterday']) {
      expect((await api('GET', `/workflows-logs/${failed.workflow_id}${query}`)).status).toBe(422)
    }
    const none = await api('GET', '/workflows-logs/acme-t--cafecafe')
    expect([none.status, none.body.detail]).toEqual([404, "Workflow 'acme-t--cafecafe' not found"])
  })

  test('are for those who may see the collection', async () => {
    await api('POST', '/collections', { name: 'other' })
    const key = (await api('POST', '/api-keys', { name: 'k', collection_name: 'other' })).body.api_key
    const done = await jetty.run({})
    for (const id of [done.workflow_id, done.trajectory_id]) {
      const answer = await api('GET', `/workflows-logs/${id}`, undefined, key)
      expect([answer.status, answer.body.detail]).toEqual([404, `Workflow '${id}' not found`])
    }
    expect((await api('GET', `/db/trajectory/${done.name}/${done.trajectory_id}`, undefined, key)).status).toBe(404)
    expect((await api('GET', `/db/trajectories/${done.name}`, undefined, key)).status).toBe(404)
  })
})
