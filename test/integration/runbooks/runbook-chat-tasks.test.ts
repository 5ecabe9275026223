// A chat that asks for a runbook starts a run of the task that it names, and makes the task where there is none.
import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from 'vitest'
import { made, makeFakeRunbooks } from '../../fakes/runbooks.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { startReceiver, type WebhookReceiver } from '../../webhook-receiver.ts'

const runbooks = makeFakeRunbooks()
let jetty: TestServer
let receiver: WebhookReceiver
beforeAll(async () => {
  receiver = await startReceiver()
  jetty = await startTestServer({ runbooks, env: { JETTY_ALLOW_PRIVATE_NETWORK: new URL(receiver.url).host } })
})
afterAll(async () => {
  await jetty?.close()
  receiver?.close()
})
beforeEach(() => {
  runbooks.carriedOut.length = 0
  runbooks.lookedAt.length = 0
  runbooks.wrong = {}
  runbooks.work = async () => ({})
})

const runbook = '# Greet\n\nSay hello to {{name}}.\n'
const messages = [
  { role: 'system', content: runbook },
  { role: 'user', content: 'Be brief.' },
]

/** Lets a runbook wait for the test. */
const gate = () => {
  let resolve = () => {}
  const promise = new Promise<void>((open) => {
    resolve = open
  })
  return { promise, resolve }
}

let names = 0
const newName = () => `chat-${++names}`
const chat = (block: Body, more: Body = {}, token?: string, path = '/v1/chat/completions') =>
  jetty.call('POST', path, { model: 'scripted', messages, jetty: { collection: 'acme', ...block }, ...more }, token)
const runsOf = async (task: string): Promise<Body[]> =>
  (await jetty.call('GET', `/api/v1/db/trajectories/acme/${task}`)).body.trajectories
const paramsOf = async (answer: Body): Promise<Body> =>
  (await jetty.call('GET', answer.jetty_metadata.poll_url)).body.init_params

test('the answer in one piece has what the agent said last, and the ids in body and headers', async () => {
  const task = newName()
  const { status, body, headers } = await chat({ task, agent: 'scripted' })
  expect(status).toBe(200)
  const { trajectory_id, workflow_id } = body
  const metadata = { mode: 'runbook', status: 'completed', collection: 'acme', task, trajectory_id, workflow_id }
  expect(body).toMatchObject({
    id: `chatcmpl-${trajectory_id}`,
    object: 'chat.completion',
    created: expect.any(Number),
    model: 'scripted',
    choices: [{ index: 0, message: { role: 'assistant', content: 'Carried out.' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 },
    jetty_metadata: metadata,
    jetty: metadata,
  })
  expect([headers.get('x-jetty-trajectory-id'), headers.get('x-jetty-workflow-id')]).toEqual([
    trajectory_id,
    workflow_id,
  ])
})

test('the task that is made is the standard one, and its run has what the chat said', async () => {
  const task = newName()
  const { body } = await chat({ task, agent: 'scripted', template_variables: { name: 'Ada' }, snapshot: 'local' })
  const { body: stored } = await jetty.call('GET', `/api/v1/tasks/acme/${task}`)
  expect(stored).toMatchObject({ has_file_uploads: true, is_chat_flow: true, is_private: true })
  expect(stored.workflow).toMatchObject({
    init_params: {},
    step_configs: { run: { activity: 'runbook', agent_path: 'init_params.agent', cpus: 4, memory: '8G' } },
    steps: ['run'],
  })
  expect(await paramsOf(body)).toEqual({
    agent: 'scripted',
    model: 'scripted',
    model_provider: null,
    snapshot: 'local',
    instruction: runbook.trim(),
    prompt: 'Be brief.',
    vars: { results_dir: '/app/results', name: 'Ada' },
    file_paths: [],
  })
  const { body: audit } = await jetty.call('GET', '/api/v1/audit?operation=createTask')
  expect(JSON.stringify(audit)).toContain(`acme/${task}`)
})

test('fifty first chats at once make one task, and a run each', async () => {
  const task = newName()
  const answers = await Promise.all(Array.from({ length: 50 }, () => chat({ task })))
  expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200))
  expect(new Set(answers.map(({ body }) => body.trajectory_id)).size).toBe(50)
  const tasks = (await jetty.call('GET', '/api/v1/tasks/acme/?limit=500')).body.filter((one: Body) => one.name === task)
  expect(tasks).toHaveLength(1)
})

test('what a block says of the sandbox holds for one run, and stands in the inputs of its step', async () => {
  const task = await jetty.task({
    init_params: { instruction: '# Mine', model_provider: 'anthropic' },
    step_configs: {
      grade: {
        activity: 'runbook',
        instruction_path: 'init_params.instruction',
        agent: 'codex',
        cpus: 2,
        memory: '4G',
      },
    },
    steps: ['grade'],
  })
  const limits = { cpus: 1, timeout_sec: 60, network_enabled: false, agent_env: { TONE: 'kind' }, image: 'debian:12' }
  const { body } = await chat({ task, ...limits })
  expect(runbooks.carriedOut[0]).toMatchObject({ ...limits, memory: '4G', agent: 'codex', instruction: runbook.trim() })
  const { body: run } = await jetty.call('GET', body.jetty_metadata.poll_url)
  expect(run.steps.grade.inputs).toMatchObject({ ...limits, memory: '4G' })
  const plain = await chat({ task }, { messages: [{ role: 'user', content: 'Once more.' }] })
  expect(plain.body.jetty.status).toBe('completed')
  expect(runbooks.carriedOut[1]).toMatchObject({
    cpus: 2,
    memory: '4G',
    model_provider: 'anthropic',
    instruction: '# Mine',
  })
  expect(runbooks.carriedOut[1]?.timeout_sec ?? null).toBeNull()
  expect((await jetty.call('GET', `/api/v1/tasks/acme/${task}`)).body.workflow.step_configs.grade.cpus).toBe(2)
})

test('a stored workflow with a runbook step is executed as it stands', async () => {
  const say = { activity: 'text_echo', text_path: 'init_params.prompt' }
  const task = await jetty.task({
    step_configs: { work: { activity: 'runbook', instruction: '# Own\n' }, say },
    steps: ['work', 'say'],
  })
  const { body } = await chat({ task, agent: 'scripted' })
  expect(body.choices[0].message.content).toBe('Be brief.')
})

test('a task without a runbook step is refused, and nothing of it is recorded', async () => {
  const say = { activity: 'text_echo', text_path: 'init_params.prompt' }
  const work = { activity: 'runbook', instruction: '# Own\n' }
  for (const step_configs of [{ say }, { say, work }]) {
    const task = await jetty.task({ step_configs, steps: ['say'] })
    for (const stream of [false, true]) {
      const { status, body } = await chat({ task, agent: 'scripted' }, { stream })
      expect([status, body.detail, body.error.message]).toEqual([
        422,
        `Task '${task}' has no runbook step`,
        `Task '${task}' has no runbook step`,
      ])
    }
    expect(await runsOf(task)).toEqual([])
  }
  expect(runbooks.carriedOut).toEqual([])
})

test('a runbook step that only a branch leads to counts', async () => {
  const task = await jetty.task({
    step_configs: {
      choose: { activity: 'conditional_branch', condition: true, true_step: 'work', false_step: 'say' },
      work: { activity: 'runbook', instruction_path: 'init_params.instruction', agent: 'scripted' },
      say: { activity: 'text_echo', text: 'no' },
    },
    steps: ['choose'],
  })
  expect((await chat({ task, agent: 'scripted' })).status).toBe(200)
})

test('a task without a step that can run fails in the words that clients know', async () => {
  const task = await jetty.task({ step_configs: { do: { activity: 'no_such' } }, steps: ['do'] })
  const { status, body } = await chat({ task })
  expect([status, body.jetty.status]).toEqual([200, 'failed'])
  expect(body.choices[0].message.content).toContain("No step registered for 'no_such'")
})

test('a run that fails is an answer, with why in its words', async () => {
  runbooks.work = async () => ({
    failure: { reason: 'missing_files', message: 'Files that the runbook declares are not there: report.md' },
  })
  const { status, body } = await chat({ task: newName() })
  expect([status, body.jetty_metadata.status, body.choices[0].finish_reason]).toEqual([200, 'failed', 'stop'])
  expect(body.choices[0].message.content).toContain('report.md')
  expect(body.usage.total_tokens).toBe(120)
})

test('the time that a client gives it is waited for, and not more: 202, and the run goes on', async () => {
  const { promise, resolve } = gate()
  runbooks.work = () => promise.then(() => ({}))
  const task = newName()
  const { status, body, headers } = await chat({ task, timeout_hint: 0.05 })
  expect(status).toBe(202)
  expect(body).toMatchObject({
    id: `chatcmpl-${body.workflow_id}`,
    choices: [{ message: { role: 'assistant', content: '' } }],
    jetty_metadata: { status: 'running' },
  })
  expect(headers.get('x-jetty-trajectory-id')).toBe(body.trajectory_id)
  resolve()
  expect((await jetty.until(task, body.trajectory_id, (run) => run.ended !== null)).status).toBe('completed')
})

test('a client that leaves ends nothing', async () => {
  const { promise, resolve } = gate()
  const begun = gate()
  runbooks.work = () => {
    begun.resolve()
    return promise.then(() => ({}))
  }
  const task = newName()
  const left = new AbortController()
  const asked = fetch(`${jetty.url}/v1/chat/completions`, {
    method: 'POST',
    signal: left.signal,
    headers: { authorization: `Bearer ${jetty.server.adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ messages, jetty: { collection: 'acme', task } }),
  })
  await begun.promise
  left.abort()
  await expect(asked).rejects.toThrow()
  resolve()
  const [run] = await runsOf(task)
  expect((await jetty.until(task, run.trajectory_id, (seen) => seen.ended !== null)).status).toBe('completed')
})

describe('a repetition with its Idempotency-Key', () => {
  const ask = (task: string, key: string, more: Body = {}) =>
    fetch(`${jetty.url}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${jetty.server.adminToken}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: JSON.stringify({ messages, jetty: { collection: 'acme', task }, ...more }),
    })

  it('is answered from the same run, whether it is read as a stream or not', async () => {
    const task = newName()
    const first = (await (await ask(task, 'one')).json()) as Body
    const again = await ask(task, 'one', { stream: true })
    expect(again.headers.get('x-jetty-trajectory-id')).toBe(first.trajectory_id)
    await again.text()
    expect(await runsOf(task)).toHaveLength(1)
  })

  it('is refused with another request', async () => {
    const task = newName()
    await (await ask(task, 'two')).json()
    const other = await ask(task, 'two', { model: 'another' })
    expect(other.status).toBe(409)
    expect(((await other.json()) as Body).error.code).toBe('idempotency_conflict')
    const elsewhere = newName()
    expect((await ask(elsewhere, 'two')).status).toBe(409)
    expect((await jetty.call('GET', `/api/v1/tasks/acme/${elsewhere}`)).status).toBe(404)
  })
})

test('inputs are paths of files or ids of uploads', async () => {
  const form = new FormData()
  form.append('collection', 'acme')
  form.append('file', new File(['{"a":1}'], 'case.json'))
  const { body: uploaded } = await jetty.call('POST', '/api/v1/files/upload', form)
  const byId = new FormData()
  byId.append('collection', 'acme')
  byId.append('file', new File(['x'], 'more.txt'))
  const { body: file } = await jetty.call('POST', '/api/v1/files', byId)
  const { status, body } = await chat({ task: newName(), file_paths: [uploaded.path], files: [file.id] })
  expect(status).toBe(200)
  const { file_paths: paths } = await paramsOf(body)
  expect(paths).toEqual([uploaded.path, expect.stringContaining('more.txt')])
  expect(runbooks.carriedOut[0]?.files).toEqual(paths)
  const swapped = await chat({ task: newName(), file_paths: [file.id] }) // an id in the wrong list is no less a file
  expect((await paramsOf(swapped.body)).file_paths).toEqual([paths[1]])
})

test('labels are there from the beginning, a webhook is told, and secrets are in nothing that is shown', async () => {
  runbooks.work = async (_, host) => ({
    text: `The word is ${host.caller.env('WORD')}`,
    results_files: [await host.keep(made('out.txt', 'made'), 'out.txt')],
  })
  const labels = [
    { key: 'kind', value: 'nightly' },
    { key: 'n', value: 7 },
  ]
  const webhook = { webhook_url: `${receiver.url}/ended`, webhook_secret: 'whsec-unmistakable-chats-3' }
  const { body } = await chat({ task: newName(), labels, secret_params: { WORD: 'sesame-open-4711' }, ...webhook })
  expect(body.choices[0].message.content).toBe('The word is ***')
  const { body: run } = await jetty.call('GET', body.jetty_metadata.poll_url)
  expect(run.labels.map(({ key, value, author }: Body) => [key, value, author])).toEqual([
    ['kind', 'nightly', 'admin'],
    ['n', '7', 'admin'],
  ])
  expect(JSON.stringify(run)).not.toContain('sesame-open-4711')
  const path = run.steps.run.outputs.results_files[0].path
  expect((await jetty.call('GET', `/api/v1/file/${path}`)).body).toBe('made')
  await expect.poll(() => receiver.of(body.trajectory_id).length).toBe(1)
  const [told] = receiver.of(body.trajectory_id)
  expect(told).toMatchObject({
    path: '/ended',
    headers: { 'x-mise-signature': expect.stringMatching(/^[0-9a-f]{64}$/) },
  })
  expect(JSON.parse(told?.body.toString() ?? '')).toMatchObject({ status: 'completed', labels: run.labels })
})

describe('what is refused starts nothing and makes no task', () => {
  const task = 'never-made'
  const refused = async (block: Body, more: Body = {}) => {
    const { status, body } = await chat({ task, ...block }, more)
    const gone = (await jetty.call('GET', `/api/v1/tasks/acme/${task}`)).status
    expect([gone, runbooks.carriedOut]).toEqual([404, []])
    expect(body.error).toMatchObject({ type: 'invalid_request_error', code: 'invalid' })
    return [status, body.detail[0].loc.join('.'), body.detail[0].msg]
  }

  it.each([
    [{ agent: 'hermes' }, 'body.jetty.agent', 'claude-code, codex, gemini-cli, opencode, scripted'],
    [{ model_provider: 'acme' }, 'body.jetty.model_provider', 'anthropic, openrouter, openai, google, bedrock'],
    [{ timeout_sec: 3601 }, 'body.jetty.timeout_sec', '3600'],
    [{ memory: 'much' }, 'body.jetty.memory', ''],
    [{ task: 'a b' }, 'body.jetty.task', 'Names start'],
    [{ runbook: '# Do it' }, 'body.jetty.runbook', 'boolean'],
    [{ secret_params: { '1A': 'x' } }, 'body.jetty.secret_params.1A', 'starts with no digit'],
    [{ webhook_secret: 'x' }, 'body.jetty.webhook_secret', 'webhook_url'],
    [{ webhook_url: 'http://169.254.169.254/' }, 'body.jetty.webhook_url', 'private'],
    [{ labels: [{ key: '', value: 'x' }] }, 'body.jetty.labels.0.key', ''],
    [{ files: ['file_none'] }, 'body.jetty.files.0', 'no file'],
    [{ file_paths: ['acme/t/0000/x.txt'] }, 'body.jetty.file_paths.0', 'no file'],
    [{ runbook_url: 'https://example.com/RUNBOOK.md' }, 'body.jetty.runbook_url', 'once'],
  ])('%j', async (block, place, words) => {
    const [status, loc, text] = await refused(block)
    expect([status, loc]).toEqual([422, place])
    expect(text).toContain(words)
  })

  it('a chat without a runbook', async () => {
    const [status, loc, text] = await refused({}, { messages: [{ role: 'user', content: 'Go' }] })
    expect([status, loc]).toEqual([422, 'body.messages'])
    expect(text).toContain('system')
  })

  it('a runbook from an address that is not public, or not https', async () => {
    const alone = { messages: [{ role: 'user', content: 'Go' }] }
    for (const [url, words] of [
      ['http://example.com/RUNBOOK.md', 'https'],
      ['https://127.0.0.1/RUNBOOK.md', 'private'],
      ['file:///etc/passwd', 'https'],
    ] as const) {
      const [status, loc, text] = await refused({ runbook_url: url }, alone)
      expect([status, loc, text]).toEqual([422, 'body.jetty.runbook_url', expect.stringContaining(words)])
    }
  })

  it('what preflight finds wrong, by its name', async () => {
    runbooks.wrong = { key: 'OPENAI_API_KEY is not set', model: 'no such model', files: 'a file is missing' }
    const { status, body } = await chat({ task })
    expect(status).toBe(422)
    for (const text of Object.values(runbooks.wrong)) expect(body.error.message).toContain(text)
    expect(body.detail.map(({ loc }: Body) => loc.join('.'))).toEqual([
      'body.key',
      'body.model',
      'body.jetty.file_paths',
    ])
    expect((await jetty.call('GET', `/api/v1/tasks/acme/${task}`)).status).toBe(404)
    expect(runbooks.lookedAt[0]?.request.instruction).toBe(runbook.trim())
  })

  it('a message of a role that has no place in it, or that is more than text', async () => {
    const tool = { messages: [...messages, { role: 'tool', content: 'x', tool_call_id: 'a' }] }
    expect((await refused({}, tool))[1]).toBe('body.messages.2.role')
    const image = {
      messages: [...messages, { role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }],
    }
    expect((await refused({}, image))[2]).toContain('file_paths')
  })

  it('a collection that nobody names, with the admin token: a key has a home', async () => {
    const { status, body } = await jetty.call('POST', '/v1/chat/completions', { messages, jetty: { task } })
    expect([status, body.detail]).toEqual([400, expect.stringContaining('name the one that is meant')])
  })
})

describe('who may', () => {
  const keyFor = async (access: 'READ' | 'WRITE', collection = 'acme') =>
    (
      await jetty.call('POST', '/api/v1/api-keys', {
        name: `${access}-${newName()}`,
        collection_name: collection,
        access_level: access,
      })
    ).body.api_key as string

  it('a key that names no collection: its run is in its home', async () => {
    const task = newName()
    await jetty.call('POST', '/api/v1/collections/', { name: 'beside' })
    const sent = { name: `both-${task}`, collection_name: 'acme', collections: ['beside'] }
    const { api_key: key } = (await jetty.call('POST', '/api/v1/api-keys', sent)).body
    const { status } = await jetty.call('POST', '/v1/chat/completions', { messages, jetty: { task } }, key)
    expect(status).toBe(200)
    expect((await jetty.call('GET', `/api/v1/tasks/acme/${task}`)).status).toBe(200)
  })

  it('a key that may write', async () => {
    const { status, body } = await chat({ task: newName() }, {}, await keyFor('WRITE'))
    expect(status).toBe(200)
    expect((await jetty.call('GET', body.jetty_metadata.poll_url)).body.author).toMatch(/^api-key:/)
  })

  it('not a key that may read, nobody, or the key of another collection', async () => {
    await jetty.call('POST', '/api/v1/collections/', { name: 'other' })
    const answers = [
      await chat({ task: 'never-made' }, {}, await keyFor('READ')),
      await chat({ task: 'never-made' }, {}, await keyFor('WRITE', 'other')),
      await chat({ task: 'never-made' }, {}, 'mlc_00000000000000000000000000000000'),
      await chat({ task: 'never-made', collection: 'nowhere' }),
    ]
    expect(answers.map(({ status }) => status)).toEqual([403, 404, 401, 404])
    expect(runbooks.carriedOut).toEqual([])
  })
})

test.each(['/v1/chat/completions', '/chat/completions', '/api/v1/chat/completions'])('%s takes it', async (path) => {
  const { status } = await chat({ task: newName() }, {}, undefined, path)
  expect(status).toBe(200)
})

test('the block counts in extra_body too', async () => {
  const body = { messages, extra_body: { jetty: { collection: 'acme', task: newName() } } }
  expect((await jetty.call('POST', '/v1/chat/completions', body)).status).toBe(200)
})
