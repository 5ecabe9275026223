// For whom and for what a call is made, as its client says it.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { rawPost } from '../../raw-post.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const secret = 'sk-unmistakable-attribution-20e7'
let fake: FakeOpenAi
let jetty: TestServer
let key: string

beforeAll(async () => {
  fake = await startFakeOpenAi()
  jetty = await startTestServer({ env: { OPENAI_BASE_URL: fake.url, JETTY_MAX_LABELS_PER_RUN: '5' } })
  const environment_variables = { OPENAI_API_KEY: secret }
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
  const made = { name: 'reader', collection_name: 'acme', access_level: 'READ' }
  key = (await jetty.call('POST', '/api/v1/api-keys', made)).body.api_key
})
afterAll(async () => {
  await jetty?.close()
  await fake?.close()
})
afterEach(() => {
  fake.asked.length = 0
})

const hello = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hello' }] }

const post = async (path: string, body: object, token = key, more: Record<string, string> = {}) => {
  const headers = { authorization: `Bearer ${token}`, 'x-jetty-collection': 'acme', ...more }
  const answer = await rawPost(jetty.url + path, JSON.stringify(body), headers)
  return { ...answer, warnings: answer.headers['x-jetty-warnings'], json: (): Body => JSON.parse(answer.text) }
}
const chat = (jettyBlock: object, more: object = {}) =>
  post('/v1/chat/completions', { ...hello, ...more, jetty: { runbook: false, ...jettyBlock } })

const recorded = async ({ headers }: { headers: Record<string, string> }, task = '_chat'): Promise<Body> =>
  jetty.get(task, headers['x-jetty-trajectory-id'] ?? '')
const labelsOf = ({ labels }: Body) => labels.map((one: Body) => [one.key, one.value])

describe('a plain call', () => {
  it.each<[string, object]>([
    [
      'a list',
      [
        { key: 'team', value: 'support' },
        { key: 'tries', value: 3 },
      ],
    ],
    ['an object', { team: 'support', tries: 3 }],
  ])('is recorded with the labels that it names as %s, and with its user and session', async (_, labels) => {
    const answer = await chat({ labels, user: 'u-17', session: 'c-4' }, { user: 'theirs', metadata: { a: 'b' } })
    expect([answer.status, answer.warnings]).toEqual([200, undefined])
    const run = await recorded(answer)
    expect(labelsOf(run)).toEqual([
      ['team', 'support'],
      ['tries', '3'],
      ['user', 'u-17'],
      ['session', 'c-4'],
    ])
    expect(run.labels[0]).toMatchObject({
      author: expect.stringContaining('reader'),
      recorded_by: run.labels[0].author,
    })
    expect(run.init_params).toEqual({ ...hello, user: 'theirs', metadata: { a: 'b' } })
    expect(fake.asked[0]?.body).toEqual(run.init_params)
  })

  it('can be found and counted by them, streamed or failed as well', async () => {
    const labels = { batch: 'n-1' }
    await chat({ labels })
    await chat({ labels, record: true }, { stream: true })
    fake.script({ status: 401, body: { error: { message: 'no' } } })
    await chat({ labels })
    const found = await jetty.call('GET', '/api/v1/db/trajectories/acme/_chat?label=batch:n-1')
    expect(found.body.trajectories.map(({ status }: Body) => status)).toEqual(['failed', 'completed', 'completed'])
    const rows = await jetty.server.database.query(
      `select total from label_counts where key = 'batch' and value = 'n-1'`,
    )
    expect(rows).toEqual([{ total: 3 }])
  })

  it('has them beside the files that it made, and the last value of a key that it names twice', async () => {
    const url = `data:image/png;base64,${Buffer.alloc(3000, 7).toString('base64')}`
    const messages = [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }]
    const twice = [
      { key: 'user', value: 'a' },
      { key: 'k', value: '1' },
      { key: 'k', value: '2' },
    ]
    const run = await recorded(await chat({ labels: twice, user: 'b' }, { messages }))
    expect(labelsOf(run)).toEqual([
      ['user', 'b'],
      ['k', '2'],
    ])
    expect(run.init_params.messages[0].content[0].image_url.url).toMatch(/^acme\/_chat\//)
  })

  it('is recorded without secrets in them', async () => {
    expect(labelsOf(await recorded(await chat({ labels: { note: `it is ${secret}` } })))).toEqual([
      ['note', 'it is ***'],
    ])
  })

  it.each<[string, object, string]>([
    ['too many', { labels: { a: 1, b: 2, c: 3, d: 4, e: 5, f: 6 } }, 'jetty.labels: a run has at most 5 labels'],
    ['no value', { labels: { a: null } }, 'jetty.labels'],
    ['no key', { labels: { '': 'x' } }, 'jetty.labels'],
    ['a user who is none', { user: { id: 1 } }, 'jetty.user: '],
  ])('with %s is refused before it is sent', async (_, block, message) => {
    const answer = await chat(block)
    expect([answer.status, answer.json().error.message]).toEqual([400, expect.stringContaining(message)])
    expect(fake.asked).toHaveLength(0)
  })

  it('of another shape has them as well', async () => {
    const body = { object: 'list', data: [{ index: 0, embedding: [1] }], usage: { prompt_tokens: 1, total_tokens: 1 } }
    fake.script({ body })
    const asked = { model: 'text-embedding-3-small', input: 'x', jetty: { labels: { team: 'x' }, user: 'u' } }
    const run = await recorded(await post('/v1/embeddings', asked), '_embeddings')
    expect(labelsOf(run)).toEqual([
      ['team', 'x'],
      ['user', 'u'],
    ])
  })

  it('says of each member of the block that it ignores', async () => {
    const answer = await chat({ metadata: { a: 'b' }, agent: 'codex', webhook_url: 'https://example.com', files: null })
    expect(answer.status).toBe(200)
    expect(answer.warnings).toContain('Unknown member "metadata"')
    expect(answer.warnings).toContain('jetty.webhook_url is for runbooks, and was ignored in a call of a model')
    expect(answer.warnings).not.toContain('jetty.agent')
    expect(answer.warnings).not.toContain('jetty.files')
  })
})

describe('the header X-Jetty-Labels', () => {
  const sent = (labels: string, block: object = {}, path = '/v1/chat/completions', more: object = hello) =>
    post(path, { ...more, jetty: { runbook: false, ...block } }, key, { 'x-jetty-labels': labels })

  it('labels a call, is overridden by the block, and stays here', async () => {
    const answer = await sent(' team=R%26D;note=x , user=u-17,k=1,', { user: 'u-18', labels: { k: '2' } })
    expect(answer.status).toBe(200)
    expect(labelsOf(await recorded(answer))).toEqual([
      ['team', 'R&D'],
      ['user', 'u-18'],
      ['k', '2'],
    ])
    expect(JSON.stringify(fake.asked)).not.toMatch(/x-jetty|u-17|R%26D/i)
  })

  it.each([
    ['team', 'X-Jetty-Labels: \'team\' has no "="'],
    ['=x', 'X-Jetty-Labels: \'=x\' has no key before "="'],
    ['team=%E0%A4%A', 'is not percent-encoded UTF-8'],
    ['a=1,b=2,c=3,d=4,e=5,f=6', 'a run has at most 5 labels'],
  ])('that is %s is refused before the call is sent', async (labels, message) => {
    const answer = await sent(labels)
    expect([answer.status, answer.json().error.message]).toEqual([400, expect.stringContaining(message)])
    expect(fake.asked).toHaveLength(0)
  })

  it('labels calls of each protocol', async () => {
    const contents = [{ role: 'user', parts: [{ text: 'hello' }] }]
    const calls: [string, object, string][] = [
      ['/v1/messages', { ...hello, max_tokens: 9 }, '_messages'],
      ['/v1beta/models/gpt-4o-mini:generateContent', { contents }, '_gemini'],
    ]
    for (const [path, body, task] of calls) {
      const answer = await sent('user=u-9', {}, path, body)
      expect([path, answer.status]).toEqual([path, 200])
      expect([path, labelsOf(await recorded(answer, task))]).toEqual([path, [['user', 'u-9']]])
    }
  })
})

describe('members of requests that the collection maps to labels', () => {
  const set = (labels_from: unknown) => jetty.call('PATCH', '/api/v1/collections/acme/settings', { labels_from })
  afterEach(() => set(null))

  it('label calls: the first one that is there, unless the call names the label itself', async () => {
    const rule = { user: ['user', 'metadata.user_id'], session: ['prompt_cache_key'] }
    expect((await set(rule)).body.labels_from).toEqual(rule)
    const members = { metadata: { user_id: 'm-1' }, prompt_cache_key: 'c-1' }
    expect(labelsOf(await recorded(await chat({}, members)))).toEqual([
      ['user', 'm-1'],
      ['session', 'c-1'],
    ])
    expect(labelsOf(await recorded(await chat({ user: 'b-1' }, { ...members, user: 'm-2' })))).toEqual([
      ['user', 'b-1'],
      ['session', 'c-1'],
    ])
    expect(labelsOf(await recorded(await chat({}, { user: { id: 1 } })))).toEqual([])
  })

  it('are those of the list', async () => {
    const { status, body } = await set({ user: ['messages'] })
    expect([status, JSON.stringify(body.detail)]).toEqual([422, expect.stringContaining('metadata.<name>')])
  })
})

describe('a run', () => {
  const echo = { step_configs: { a: { activity: 'text_echo', text: 'hi' } }, steps: ['a'] }

  it.each(['run', 'run-sync'])('of %s has its labels from the beginning', async (way) => {
    const task = await jetty.task(echo)
    const answer = await jetty.call('POST', `/api/v1/${way}/acme/${task}`, { labels: { user: 'u-1', note: secret } })
    expect(answer.status).toBeLessThan(300)
    expect(labelsOf(await jetty.get(task, answer.body.trajectory_id))).toEqual([
      ['user', 'u-1'],
      ['note', '***'],
    ])
    const found = await jetty.call('GET', `/api/v1/db/trajectories/acme/${task}?label=user:u-1`)
    expect(found.body.trajectories).toHaveLength(1)
  })

  it('with too many, or with what is no label, is refused by the name of the field', async () => {
    const task = await jetty.task(echo)
    const many = Object.fromEntries(Array.from({ length: 6 }, (_, n) => [`k${n}`, 'v']))
    for (const labels of [many, 'nonsense', { '': 'x' }]) {
      const { status, body } = await jetty.call('POST', `/api/v1/run/acme/${task}`, { labels })
      expect([status, body.detail[0].loc.slice(0, 2)]).toEqual([422, ['body', 'labels']])
    }
  })

  it('of an evaluation has them, and so has its judgement', async () => {
    const task = await jetty.task(echo)
    const judges = [{ name: 'polite', instruction: 'Is it polite?', model: 'scripted/echo', binary: true }]
    const body = { name: 'labelled', items: [{ id: 'a' }], judges, labels: { team: 'eval' } }
    const { evaluation_id: id } = (await jetty.call('POST', `/api/v1/evaluations/acme/${task}`, body)).body
    await expect
      .poll(async () => (await jetty.call('GET', `/api/v1/evaluations/acme/${id}`)).body.ended, { timeout: 30_000 })
      .not.toBeNull()
    const rows = await jetty.server.database.query<{ total: number }>(
      `select count(*)::int total from labels where key = 'team' and value = 'eval'`,
    )
    expect(rows[0]?.total).toBeGreaterThanOrEqual(2)
  })
})

describe('a block that does not say whether it asks for a runbook', () => {
  const ask = (block: object, messages: object[] = hello.messages) =>
    post('/v1/chat/completions', { model: 'scripted/echo', messages, jetty: block }, jetty.server.adminToken)
  const kind = [{ role: 'system', content: 'You are kind.' }, ...hello.messages]

  it.each<[string, object, object[]]>([
    ['a task', { task: 'support' }, hello.messages],
    ['a task and a system message', { task: 'support-2' }, kind],
    ['nothing', {}, kind],
    ['labels', { labels: { team: 'x' } }, kind],
  ])('and names %s is told what is missing', async (_, block, messages) => {
    const answer = await ask(block, messages)
    expect(answer.status).toBe(422)
    expect(answer.json().error.message).toContain('For a call of the model, add "runbook": false')
    expect(answer.json().hint).toContain('"runbook": false')
    expect((await ask({ runbook: false, ...block }, messages)).status).toBe(200)
  })

  it('and names a task without a runbook step reads it in the hint', async () => {
    await ask({ runbook: false, task: 'plain' })
    const { detail, hint } = (await ask({ task: 'plain' }, kind)).json()
    expect([detail, hint]).toEqual(["Task 'plain' has no runbook step", expect.stringContaining('"runbook": false')])
  })

  it('is not told so once it says that it wants one', async () => {
    const answer = await ask({ runbook: true, task: 'support-3' }, kind)
    expect([answer.status, answer.text.includes('"runbook": false')]).toEqual([422, false])
  })

  it('has a runbook as before, with its labels, and a warning for what is for calls of a model', async () => {
    const runbook = [{ role: 'system', content: '# Say\n\n```sh\necho hi > "$RESULTS_DIR/a.txt"\n```\n' }]
    const block = { task: 'say', agent: 'scripted', labels: { team: 'x' }, user: 'u-1', cache: true, timeout_hint: 0 }
    const answer = await ask(block, runbook)
    expect([answer.status, answer.warnings]).toEqual([
      202,
      'jetty.cache is for calls of a model, and was ignored for a runbook',
    ])
    const run = await jetty.get('say', answer.json().jetty_metadata.trajectory_id)
    expect(labelsOf(run)).toEqual([
      ['team', 'x'],
      ['user', 'u-1'],
    ])
  })
})
