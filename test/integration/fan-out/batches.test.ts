import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { parse } from 'csv-parse/sync'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { effects, makeBatching, work, working } from './batching.ts'

const secret = `unmistakable-${randomUUID()}`
let jetty: TestServer
let openai: FakeOpenAi
let batches: ReturnType<typeof makeBatching>
beforeAll(async () => {
  openai = await startFakeOpenAi()
  jetty = await startTestServer({ activities: [work], env: { OPENAI_BASE_URL: openai.url } })
  batches = makeBatching(jetty)
})
afterAll(async () => {
  await jetty?.close()
  await openai?.close()
})
beforeEach(() => Object.assign(effects, { done: [], atWork: 0, mostAtWork: 0, secrets: [] }))

describe('a batch', () => {
  test('runs the task for each item, and is one run with its items', async () => {
    const task = await jetty.task(working)
    const items = Array.from({ length: 25 }, (_, at) => ({ text: `t${at}`, at }))
    const started = await batches.post(task, {
      items,
      name: 'first',
      labels: { experiment: '7', good: true },
      max_concurrency: 4,
    })
    expect(started.body).toMatchObject({ total: 25, name: 'first', task, status: 'pending' })
    const batch = await batches.ended(started.body.batch_id)
    expect(batch).toMatchObject({
      batch_id: started.body.batch_id,
      status: 'completed',
      total: 25,
      counts: { pending: 0, running: 0, completed: 25, failed: 0, cancelled: 0, archived: 0 },
      progress: 1,
      cost_usd: null,
      max_concurrency: 4,
      labels: { experiment: '7', good: 'true' },
      author: 'admin',
      errors: [],
      error: null,
    })
    expect([...effects.done].sort()).toEqual(items.map(({ text }) => text).sort())
    expect(effects.mostAtWork).toBeLessThanOrEqual(4)
    const runs = await batches.runsOf(task)
    expect(runs).toHaveLength(25)
    const third = runs.find((one) => one.init_params.at === 3)
    expect(third).toMatchObject({
      init_params: { text: 't3', at: 3, ms: 0, kept: 'yes' },
      author: 'admin',
      attributes: {
        params: {
          parent: { trajectory_id: batch.batch_id, step: 'runs', index: 3, name: 'acme/_batch' },
          batch: { batch_id: batch.batch_id, index: 3 },
        },
      },
    })
    for (const { labels } of runs) {
      expect(labels).toEqual([
        expect.objectContaining({ key: 'experiment', value: '7', author: 'admin' }),
        expect.objectContaining({ key: 'good', value: 'true', author: 'admin' }),
      ])
    }
    const labelled = await jetty.call('GET', `/api/v1/db/trajectories/acme/${task}?label=experiment:7&limit=1`)
    expect(labelled.body.total).toBe(25)
  })

  test('goes on when runs fail, and says which were the first', async () => {
    const task = await jetty.task(working)
    const items = Array.from({ length: 40 }, (_, at) => ({ text: `t${at}`, fails: at % 3 === 0 }))
    const batch = await batches.run(task, { items })
    expect([batch.status, batch.counts.failed, batch.counts.completed]).toEqual(['completed', 14, 26])
    expect(batch.errors).toHaveLength(10)
    expect(batch.errors[1]).toEqual({
      index: 3,
      item_id: null,
      trajectory_id: expect.stringMatching(/^[0-9a-f]{8}$/),
      error: expect.stringContaining('no t3'),
    })
  })

  test('gives its runs the secrets that came with it, and keeps none', async () => {
    const task = await jetty.task(working)
    jetty.leaks.remember('a secret of a batch', secret)
    const batch = await batches.run(task, {
      items: [{ text: 'a' }, { text: secret }],
      secret_params: { TOKEN: secret },
    })
    expect([batch.counts.completed, effects.secrets]).toEqual([2, [secret, secret]])
    const text = JSON.stringify([
      await batches.results(batch.batch_id),
      await batches.runsOf(task),
      await batches.runsOf('_batch'),
    ])
    expect(text).not.toContain(secret)
  })

  test('costs what its runs cost', async () => {
    await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
      environment_variables: { OPENAI_API_KEY: 'sk-batches-unmistakable-0123456789' },
    })
    jetty.leaks.remember('the key', 'sk-batches-unmistakable-0123456789')
    const ask = { activity: 'litellm_chat', model_path: 'init_params.model', prompt: 'hello' }
    const task = await jetty.task({ step_configs: { ask }, steps: ['ask'] })
    const batch = await batches.run(task, { items: [1, 2, 3].map((at) => ({ at, model: 'gpt-4o-mini' })) })
    expect(batch.cost_usd).toBeCloseTo(3 * 0.00021, 9)
    const [first] = (await batches.results(batch.batch_id)).body.results
    expect(first.cost_usd).toBeCloseTo(0.00021, 9)
  })

  test('stops when it is cancelled: what runs, and what was never begun', async () => {
    const task = await jetty.task(working)
    const items = Array.from({ length: 500 }, (_, at) => ({ text: `t${at}`, ms: at < 3 ? 0 : 60_000 }))
    const { body: started } = await batches.post(task, { items, max_concurrency: 5 })
    while ((await batches.get(started.batch_id)).counts.completed < 3) await delay(20)
    const cancelled = await jetty.call('POST', `/api/v1/batches/acme/${started.batch_id}/cancel`)
    expect(cancelled.status).toBe(200)
    const batch = await batches.ended(started.batch_id)
    expect(batch).toMatchObject({ status: 'cancelled', progress: 1 })
    expect(batch.counts).toMatchObject({ completed: 3, cancelled: 497, pending: 0, running: 0 })
    expect(effects.done).toHaveLength(3)
    const { body } = await batches.results(batch.batch_id, '?limit=500')
    expect(body.results.map((one: Body) => one.index)).toEqual(items.map((_, at) => at))
    expect(body.results[499]).toMatchObject({ status: 'cancelled', init_params: { text: 't499', ms: 60_000 } })
    expect(body.results.filter((one: Body) => one.status === 'cancelled')).toHaveLength(497)
    const again = await jetty.call('POST', `/api/v1/batches/acme/${started.batch_id}/cancel`)
    expect([again.status, again.body.status]).toEqual([200, 'cancelled'])
  })
})

describe('items of a file', () => {
  test('CSV by its path, JSON lines by the id of the upload', async () => {
    const task = await jetty.task(working)
    const csv = await batches.upload('items.csv', 'text,ms:json\r\n"a,b",1\r\nc,\r\n')
    const batch = await batches.run(task, { file_path: csv.path })
    const { body } = await batches.results(batch.batch_id)
    expect(body.results.map((one: Body) => [one.init_params.text, one.init_params.ms])).toEqual([
      ['a,b', 1],
      ['c', 0],
    ])
    const lines = await batches.upload('items.jsonl', '{"text":"x"}\n\n{"text":"y"}\n')
    expect((await batches.run(task, { file_path: lines.id })).counts.completed).toBe(2)
  })
})

describe('an Idempotency-Key', () => {
  test('makes one batch of fifty requests at once, and none of another body', async () => {
    const task = await jetty.task(working)
    const key = randomUUID()
    const body = { items: [{ text: 'a' }, { text: 'b' }], name: 'once' }
    const answers = await Promise.all(Array.from({ length: 50 }, () => batches.post(task, body, { key })))
    expect(new Set(answers.map((answer) => JSON.stringify(answer)))).toHaveLength(1)
    expect(answers[0]?.status).toBe(200)
    await batches.ended(answers[0]?.body.batch_id)
    expect([...effects.done].sort()).toEqual(['a', 'b'])
    expect((await batches.post(task, body, { key })).body).toEqual(answers[0]?.body)
    const other = await batches.post(task, { ...body, items: [{ text: 'a' }] }, { key })
    expect([other.status, other.body.detail]).toEqual([409, expect.stringContaining('a different request')])
    expect((await batches.runsOf(task)).length).toBe(2)
  })

  test('is not used up by what is refused', async () => {
    const task = await jetty.task(working)
    const key = randomUUID()
    const body = { items: [{ file_paths: ['acme/none'] }] }
    expect((await batches.post(task, body, { key })).status).toBe(422)
    const accepted = await batches.post(task, { items: [{}] }, { key })
    expect(accepted.status).toBe(200)
    await batches.ended(accepted.body.batch_id)
  })
})

describe('results', () => {
  test('come as pages, JSON lines and CSV, in the order of the items', async () => {
    const task = await jetty.task(working)
    const items = Array.from({ length: 120 }, (_, at) => ({ text: at === 7 ? '=1+1' : `t${at}`, fails: at === 5 }))
    const { batch_id: id } = await batches.run(task, { items })
    const page = (await batches.results(id, '?page=2&limit=50')).body
    expect([page.total, page.page, page.limit, page.has_more]).toEqual([120, 2, 50, true])
    expect(page.results.map((one: Body) => one.index)).toEqual(Array.from({ length: 50 }, (_, at) => 50 + at))
    expect(page.results[1]).toMatchObject({
      index: 51,
      trajectory_id: expect.stringMatching(/^[0-9a-f]{8}$/),
      status: 'completed',
      error: null,
      init_params: { text: 't51', kept: 'yes' },
      outputs: { text: 'T51', size: { letters: 3 } },
    })
    expect((await batches.results(id, '?page=3&limit=50')).body).toMatchObject({ has_more: false })
    expect((await batches.results(id, '?page=9')).body).toMatchObject({ results: [], has_more: false })

    const lines = await batches.results(id, '?format=jsonl')
    expect(lines.headers.get('content-type')).toContain('application/x-ndjson')
    const rows = lines.body
      .trimEnd()
      .split('\n')
      .map((line: string) => JSON.parse(line))
    expect(rows.slice(50, 100)).toEqual(page.results)
    expect(rows[5]).toMatchObject({ status: 'failed', error: expect.stringContaining('no t5') })

    const csv = await batches.results(id, '?format=csv')
    expect(csv.headers.get('content-disposition')).toBe(`attachment; filename="batch-${id}.csv"`)
    const table = parse(csv.body, { columns: true }) as Record<string, string>[]
    expect(table).toHaveLength(120)
    expect(table[7]).toMatchObject({
      index: '7',
      status: 'completed',
      'init_params.text': "'=1+1",
      'init_params.kept': 'yes',
      'outputs.text': "'=1+1",
      'outputs.size': '{"letters":4}',
    })
    expect(Object.keys(table[0] ?? {})).not.toContain('rest')
  })
})

test('the outputs of a result are those of the last step that let its run complete', async () => {
  const last = { activity: 'work', text: 'last', fails_path: 'init_params.fails', options: { continue_on_error: true } }
  const task = await jetty.task({
    step_configs: { first: { activity: 'work', text: 'first' }, last },
    steps: ['first', 'last'],
  })
  const batch = await batches.run(task, { items: [{ fails: false }, { fails: true }] })
  const { results } = (await batches.results(batch.batch_id)).body
  expect(results.map(({ status, outputs }: Body) => [status, outputs.text])).toEqual([
    ['completed', 'LAST'],
    ['completed', 'FIRST'],
  ])
})

test('batches of a collection are listed, newest first, and no run of another task is one', async () => {
  await jetty.call('POST', '/api/v1/collections', { name: 'listed' })
  await jetty.call('POST', '/api/v1/tasks/listed', { name: 'job', workflow: working })
  const ids: string[] = []
  for (let at = 0; at < 5; at++) {
    const { body } = await jetty.call('POST', '/api/v1/run-batch/listed/job', { items: [{ text: `t${at}` }] })
    ids.unshift(body.batch_id)
  }
  const list = async (query: string) => (await jetty.call('GET', `/api/v1/batches/listed${query}`)).body
  const areOver = async () => (await list('')).batches.every(({ ended }: Body) => ended !== null)
  await expect.poll(areOver, { timeout: 25_000 }).toBe(true)
  const first = await list('?limit=3')
  expect(first.batches.map((one: Body) => one.batch_id)).toEqual(ids.slice(0, 3))
  expect(first.batches[0]).toMatchObject({ task: 'job', total: 1, name: null })
  const second = await list(`?limit=3&cursor=${first.next_cursor}`)
  expect([second.batches.map((one: Body) => one.batch_id), second.next_cursor]).toEqual([ids.slice(3), null])
  const ofTask = async (task: string) => (await list(`?task=${task}`)).batches.map((one: Body) => one.batch_id)
  expect([await ofTask('job'), await ofTask('jo'), await ofTask('other')]).toEqual([ids, [], []])
  expect((await list('?cursor=nonsense')).detail[0].loc).toEqual(['query', 'cursor'])

  const [child] = (await jetty.call('GET', '/api/v1/db/trajectories/listed/job')).body.trajectories
  for (const [collection, id] of [
    ['listed', child.trajectory_id],
    ['acme', ids[0]],
    ['listed', '00000000'],
  ]) {
    const answer = await jetty.call('GET', `/api/v1/batches/${collection}/${id}`)
    expect([answer.status, answer.body.detail]).toEqual([404, `Batch '${id}' not found`])
  }
})

test('a batch that is run again is one; its replay, and a run of the task by hand, are none', async () => {
  const task = await jetty.task(working)
  const batch = await batches.run(task, {
    items: [{ text: 'one' }, { text: 'two' }],
    name: 'twice',
    labels: { a: 'b' },
  })
  const atEnd = async (id: string): Promise<string> => {
    await jetty.until('_batch', id, ({ ended }) => ended !== null)
    return id
  }
  const again = async (body: object): Promise<string> => {
    const path = `/api/v1/trajectory/acme/_batch/${batch.batch_id}/rerun`
    return atEnd((await jetty.call('POST', path, body)).body.trajectory_id)
  }
  const same = await again({})
  expect(effects.done.sort()).toEqual(['one', 'one', 'two', 'two'])
  expect(await batches.get(same)).toMatchObject({ task, total: 2, name: 'twice', labels: { a: 'b' }, progress: 1 })
  const results = (await batches.results(same)).body.results.map(({ outputs }: Body) => outputs.text)
  expect(results).toEqual(['ONE', 'TWO'])

  const others = [
    await again({ mode: 'replay' }),
    await again({ init_params: { items: [{}] } }),
    await atEnd((await jetty.start('_batch', { init_params: { task, items: [{}] } })).trajectory_id),
  ]
  const { body } = await jetty.call('GET', '/api/v1/batches/acme?limit=2')
  expect(body.batches.map(({ batch_id }: Body) => batch_id)).toEqual([same, batch.batch_id])
  for (const id of others) expect((await jetty.call('GET', `/api/v1/batches/acme/${id}`)).status).toBe(404)
})
