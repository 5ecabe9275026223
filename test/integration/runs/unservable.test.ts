// A run that cannot be served is recorded and fails before its first step; with `preflight=refuse` it is refused instead.
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { makeFakeRunbooks } from '../../fakes/runbooks.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const runbooks = makeFakeRunbooks()
let fake: FakeOpenAi
let jetty: TestServer

/** The first step costs nothing; the second one asks a model that no key serves. */
const workflow = {
  init_params: { model: 'groq/llama-3.3-70b-versatile' },
  step_configs: {
    first: { activity: 'text_echo', text: 'begun' },
    ask: { activity: 'litellm_chat', model_path: 'init_params.model', prompt: 'Hi' },
  },
  steps: ['first', 'ask'],
}
const sentence = /Step 'ask': .*set GROQ_API_KEY/

const secret = 'unmistakable-unserved-secret-5d1a'

beforeAll(async () => {
  fake = await startFakeOpenAi()
  jetty = await startTestServer({
    runbooks,
    env: {
      OPENAI_BASE_URL: fake.url,
      OPENAI_API_KEY: 'sk-lent-unmistakable-unserved-77aa',
      JETTY_TRIAL_KEYS: 'OPENAI_API_KEY',
    },
  })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { SEED: secret } })
  await jetty.call('POST', '/api/v1/tasks/acme', { name: 'unserved', workflow })
})
afterAll(async () => {
  await jetty?.close()
  await fake?.close()
})
beforeEach(() => {
  fake.asked.length = 0
  runbooks.wrong = {}
  runbooks.carriedOut.length = 0
})

const form = (fields: Record<string, string>): FormData => {
  const made = new FormData()
  for (const [name, value] of Object.entries(fields)) made.append(name, value)
  return made
}
const total = async (task = 'unserved'): Promise<number> =>
  (await jetty.call('GET', `/api/v1/db/trajectories/acme/${task}?limit=1`)).body.total

const expectUnserved = (trajectory: Body, error: RegExp = sentence) => {
  expect(trajectory).toMatchObject({
    status: 'failed',
    error: expect.stringMatching(error),
    error_detail: { message: trajectory.error, retryable: false },
    steps: {},
    completed_steps: [],
  })
  expect(trajectory.ended).not.toBeNull()
  expect(fake.asked).toEqual([])
}

describe('a run', () => {
  test('is accepted, says so in its message, and fails before its first step', async () => {
    const { status, body } = await jetty.call('POST', '/api/v1/run/acme/unserved', form({}))
    expect([status, body.status]).toEqual([200, 'pending'])
    expect(body.message).toMatch(sentence)
    const ended = await jetty.until('unserved', body.trajectory_id, (run) => run.ended !== null)
    expectUnserved(ended)
    expect(ended.error_detail.code).toBe('model_unavailable')
  })

  test('by run-sync is answered with the failed trajectory', async () => {
    const { status, body } = await jetty.call('POST', '/api/v1/run-sync/acme/unserved', form({}))
    expect(status).toBe(200)
    expectUnserved(body)
    expect(body).toMatchObject({ message: 'Workflow failed', result: {}, trajectory: { status: 'failed' } })
  })

  test.each([
    ['form field', '', { preflight: 'refuse' }],
    ['query', '?preflight=refuse', {}],
  ])('with preflight=refuse as a %s is a 422 and leaves nothing', async (_, query, fields) => {
    const before = await total()
    for (const path of ['run', 'run-sync']) {
      const { status, body } = await jetty.call('POST', `/api/v1/${path}/acme/unserved${query}`, form(fields))
      expect([status, body.detail]).toEqual([422, expect.stringMatching(sentence)])
    }
    expect(await total()).toBe(before)
  })

  test('with another word for preflight is a 422', async () => {
    const { status, body } = await jetty.call('POST', '/api/v1/run/acme/unserved', form({ preflight: 'no' }))
    expect([status, body.detail[0].loc]).toEqual([422, ['body', 'preflight']])
  })

  test('that is malformed stays a 4xx', async () => {
    const before = await total()
    for (const fields of [{ init_params: '[' }, { init_params: '{"file_paths":["acme/none"]}' }]) {
      expect((await jetty.call('POST', '/api/v1/run/acme/unserved', form(fields))).status).toBe(422)
    }
    expect(await total()).toBe(before)
  })

  test('that another process takes over fails there with the same reason', async () => {
    const api = await startTestServer({ beside: jetty, runbooks, env: { JETTY_ROLE: 'api' } })
    try {
      const { status, body } = await api.call('POST', '/api/v1/run/acme/unserved', form({}))
      expect([status, body.message]).toEqual([200, expect.stringMatching(sentence)])
      const ended = await jetty.until('unserved', body.trajectory_id, (run) => run.ended !== null)
      expectUnserved(ended)
      expect(ended.error_detail.code).toBe('model_unavailable')
    } finally {
      await api.close()
    }
  })

  test('keeps its files, its parameters and no secret', async () => {
    const sent = form({ init_params: JSON.stringify({ note: secret }) })
    sent.append('files', new Blob(['kept']), 'note.txt')
    const { body } = await jetty.call('POST', '/api/v1/run-sync/acme/unserved', sent)
    expectUnserved(body)
    expect(body.init_params.note).toBe('***')
    expect((await jetty.call('GET', `/api/v1/file/${body.init_params.file_paths[0]}`)).body).toBe('kept')
  })

  test('uses up its Idempotency-Key: the same key gives the same run', async () => {
    const key = { 'idempotency-key': randomUUID() }
    const send = async () => {
      const answer = await fetch(`${jetty.url}/api/v1/run/acme/unserved`, {
        method: 'POST',
        headers: { authorization: `Bearer ${jetty.server.adminToken}`, ...key },
        body: form({}),
      })
      return (await answer.json()) as Body
    }
    const [first, again] = [await send(), await send()]
    expect(again.trajectory_id).toBe(first.trajectory_id)
    expect(again.message).toBe(first.message)
  })

  test('takes no place in the trial', async () => {
    await jetty.call('POST', '/api/v1/trial/acme/activate')
    const { body } = await jetty.call('POST', '/api/v1/run-sync/acme/unserved', form({ use_trial_keys: 'true' }))
    expectUnserved(body)
    expect(body.trial).toBeNull()
    expect((await jetty.call('GET', '/api/v1/trial/acme')).body.runs_used).toBe(0)
  })
})

describe('a runbook', () => {
  const runbook = {
    init_params: {},
    step_configs: { run: { activity: 'runbook', instruction: '# Work\n', agent: 'claude-code' } },
    steps: ['run'],
  }

  test('whose secrets are missing is recorded with each of them in its sentence', async () => {
    await jetty.call('POST', '/api/v1/tasks/acme', { name: 'book', workflow: runbook })
    runbooks.wrong = { secrets: 'APIFY_TOKEN is not set', files: 'a.csv is not there' }
    const { status, body } = await jetty.call('POST', '/api/v1/run-sync/acme/book', form({}))
    expect(status).toBe(200)
    expectUnserved(body, /Step 'run'.*APIFY_TOKEN is not set.*a\.csv is not there/)
    expect(body.error_detail).toMatchObject({ code: 'invalid', hint: 'Mend the secrets.' })
    expect(runbooks.carriedOut).toEqual([])
    const refused = await jetty.call('POST', '/api/v1/run-sync/acme/book?preflight=refuse', form({}))
    expect([refused.status, refused.body.detail[0].type]).toEqual([422, 'preflight_secrets'])
  })

  test('of a chat is refused as OpenAI refuses, and records nothing', async () => {
    runbooks.wrong = { secrets: 'APIFY_TOKEN is not set' }
    const before = await total('book')
    const { status, body } = await jetty.call('POST', '/v1/chat/completions', {
      model: 'claude-sonnet-4-6',
      messages: [{ role: 'system', content: '# Work\n' }],
      jetty: { collection: 'acme', task: 'book' },
    })
    expect([status, body.error.type]).toEqual([422, 'invalid_request_error'])
    expect(body.error.message).toContain('APIFY_TOKEN is not set')
    expect(await total('book')).toBe(before)
  })
})

describe('whatever else starts runs', () => {
  test('a batch is recorded, fails with the item and starts no run', async () => {
    const before = await total()
    const items = [{}]
    const { status, body } = await jetty.call('POST', '/api/v1/run-batch/acme/unserved', { items })
    expect(status).toBe(200)
    await expect
      .poll(async () => (await jetty.call('GET', `/api/v1/batches/acme/${body.batch_id}`)).body, { timeout: 20_000 })
      .toMatchObject({ status: 'failed', error: expect.stringMatching(/Item 0: step 'ask': .*set GROQ_API_KEY/) })
    expect(await total()).toBe(before)
    for (const [query, more] of [
      ['?preflight=refuse', {}],
      ['', { preflight: 'refuse' }],
    ] as const) {
      const refused = await jetty.call('POST', `/api/v1/run-batch/acme/unserved${query}`, { items, ...more })
      expect([refused.status, refused.body.detail]).toEqual([422, expect.stringContaining('set GROQ_API_KEY')])
    }
  })

  test('an evaluation whose judge has no key is recorded and fails', async () => {
    const judges = [{ name: 'clear', instruction: 'Is it clear?', binary: true, model: 'groq/llama-3.3-70b-versatile' }]
    await jetty.call('POST', '/api/v1/tasks/acme', {
      name: 'plain',
      workflow: { step_configs: { first: workflow.step_configs.first }, steps: ['first'] },
    })
    const asked = { items: [{}], judges }
    const { status, body } = await jetty.call('POST', '/api/v1/evaluations/acme/plain', asked)
    expect(status, JSON.stringify(body)).toBe(200)
    await expect
      .poll(async () => (await jetty.call('GET', `/api/v1/evaluations/acme/${body.evaluation_id}`)).body, {
        timeout: 20_000,
      })
      .toMatchObject({ status: 'failed', error: expect.stringContaining("Judge 'clear': ") })
    const refused = await jetty.call('POST', '/api/v1/evaluations/acme/plain', { ...asked, preflight: 'refuse' })
    expect([refused.status, refused.body.detail]).toEqual([422, expect.stringContaining('set GROQ_API_KEY')])
    expect(await total('plain')).toBe(0)
  })

  test('a rerun is recorded and fails before its first step', async () => {
    const { body: first } = await jetty.call('POST', '/api/v1/run-sync/acme/unserved', form({}))
    const path = `/api/v1/trajectory/acme/unserved/${first.trajectory_id}/rerun`
    const { status, body } = await jetty.call('POST', path, {})
    expect([status, body.message]).toEqual([200, expect.stringMatching(sentence)])
    const ended = await jetty.until('unserved', body.trajectory_id, (run) => run.ended !== null)
    expectUnserved(ended)
    expect(ended.attributes.params.rerun.of).toBe(first.trajectory_id)
    const before = await total()
    expect((await jetty.call('POST', `${path}?preflight=refuse`, {})).status).toBe(422)
    expect((await jetty.call('POST', path, { preflight: 'refuse' })).status).toBe(422)
    expect(await total()).toBe(before)
  })

  test('a routine records its run as failed, at its time and by hand', async () => {
    const routines = '/api/v1/routines/acme/unserved'
    await jetty.call('POST', routines, { name: 'by-hand', cadence: { type: 'manual' } })
    const { status, body } = await jetty.call('POST', `${routines}/by-hand/run-now`)
    expect([status, body.message]).toEqual([200, expect.stringMatching(sentence)])
    expectUnserved(await jetty.until('unserved', body.trajectory_id, (run) => run.ended !== null))
    const refused = await jetty.call('POST', `${routines}/by-hand/run-now?preflight=refuse`)
    expect([refused.status, refused.body.detail]).toEqual([422, expect.stringMatching(sentence)])
  })
})
