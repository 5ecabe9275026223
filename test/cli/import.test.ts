// Copies a collection from one server of ours to another.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import { rawPost } from '../raw-post.ts'
import { type Body, startTestServer, type TestServer } from '../server.ts'
import { startHostileSource } from './hostile-source.ts'
import { openShell, type Shell } from './shell.ts'

let old: TestServer
let fresh: TestServer
let shell: Shell
let fake: FakeOpenAi
let file: string
const ids: string[] = []
/** Trajectory ids of runs of the server's own tasks. */
const own: Record<string, string> = {}

/** Makes a run of each of the server's own tasks. */
const useOwnTasks = async (): Promise<void> => {
  const environment_variables = { OPENAI_API_KEY: 'sk-unmistakable-imported-31b7' }
  await old.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
  const messages = [{ role: 'user', content: 'hello' }]
  const calls: [string, string, object][] = [
    ['_chat', '/v1/chat/completions', { messages }],
    ['_messages', '/v1/messages', { messages, max_tokens: 9 }],
    ['_responses', '/v1/responses', { input: 'hello' }],
    ['_embeddings', '/v1/embeddings', { input: 'hello', model: 'text-embedding-3-small' }],
  ]
  for (const [task, path, body] of calls) {
    if (task === '_responses') fake.script({ body: { object: 'response', status: 'completed', output: [] } })
    if (task === '_embeddings') fake.script({ body: { object: 'list', data: [{ index: 0, embedding: [1] }] } })
    const headers = { authorization: `Bearer ${old.server.adminToken}`, 'x-jetty-collection': 'acme' }
    const sent = JSON.stringify({ model: 'gpt-4o-mini', ...body })
    own[task] = (await rawPost(old.url + path, sent, headers)).headers['x-jetty-trajectory-id'] ?? ''
  }
  const workflow = { step_configs: { say: { activity: 'text_echo', text: 'tried' } }, steps: ['say'] }
  own._try = (await old.call('POST', '/api/v1/try/acme', { workflow, step: 'say' })).body.trajectory_id
  await old.until('_try', own._try ?? '', ({ ended }) => ended !== null)
  const items = [{ text: 'one' }, { text: 'two' }]
  own._batch = (await old.call('POST', '/api/v1/run-batch/acme/echo', { items })).body.batch_id
  await old.until('_batch', own._batch ?? '', ({ ended }) => ended !== null)
  const judges = [{ name: 'polite', instruction: 'Is it polite?', model: 'scripted/judge', binary: true }]
  const evaluation = { items: [{ text: 'three' }], judges }
  own._evaluation = (await old.call('POST', '/api/v1/run-evaluation/acme/echo', evaluation)).body.evaluation_id
  await old.until('_evaluation', own._evaluation ?? '', ({ ended }) => ended !== null)
}

const run = async (task: string, initParams: object): Promise<string> => {
  const { body } = await old.call('POST', `/api/v1/run-sync/acme/${task}`, { init_params: initParams })
  return body.trajectory_id
}

beforeAll(async () => {
  fake = await startFakeOpenAi()
  old = await startTestServer({ env: { OPENAI_BASE_URL: fake.url } })
  // One process executes runs for one server only.
  fresh = await startTestServer({ env: { JETTY_ROLE: 'api' } })
  shell = openShell(fresh.url, fresh.server.adminToken)
  const workflows = {
    echo: { step_configs: { say: { activity: 'text_echo', text_path: 'init_params.text' } }, steps: ['say'] },
    read: { step_configs: { read: { activity: 'read_uploaded_file' } }, steps: ['read'] },
  }
  for (const [name, workflow] of Object.entries(workflows))
    await old.call('POST', '/api/v1/tasks/acme', { name, workflow, description: `The task ${name}` })
  await old.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { OLD_KEY: 'kept-at-the-source' },
  })
  await old.call('POST', '/api/v1/datasets/acme', { name: 'letters', dataset_metadata: { name: 'Letters' } })
  for (const text of ['first', 'second']) {
    const data = new FormData()
    data.append('data_file', new File([text], `${text}.txt`, { type: 'text/plain' }))
    await old.call('POST', '/api/v1/datasets/acme/letters/data', data)
  }
  const items = [{ id: 'a', data: { text: 'one', id: 7 } }, { data: { text: 'two' } }]
  await old.call('POST', '/api/v1/datasets/acme/letters/items', { items })
  await old.call('POST', '/api/v1/routines/acme/echo', {
    ...{ name: 'morning', cadence: { type: 'manual' }, init_params_overrides: {} },
    secret_params: { DAILY_KEY: 'kept-at-the-source-too' },
  })
  const form = new FormData()
  form.append('collection', 'acme')
  form.append('file', new File(['from the old server'], 'note.txt', { type: 'text/plain' }))
  file = (await old.call('POST', '/api/v1/files/upload', form)).body.path
  for (let at = 0; at < 22; at++) ids.push(await run('echo', { text: `run ${at}` }))
  await useOwnTasks()
  ids.push(await run('echo', { text: 'acme/sonnet-4' })) // a text, though it begins like a path
  ids.push(await run('echo', {})) // fails: the parameter is missing
  ids.push(await run('read', { file_paths: [file] }))
  await old.call('POST', `/api/v1/trajectory/acme/echo/${ids[0]}/labels`, {
    key: 'grade',
    value: 'good',
    author: 'ann',
  })
})
afterAll(async () => {
  shell?.close()
  await Promise.all([old?.close(), fresh?.close()])
  await fake?.close()
})

const importNow = (...args: string[]) =>
  shell.jetty(['import', 'acme', '--from', old.url, ...args], {
    env: { JETTY_IMPORT_TOKEN: old.server.adminToken },
  })
const report = (): Body => JSON.parse(readFileSync(join(shell.home, 'jetty-import.json'), 'utf8'))
const at = async (server: TestServer, path: string): Promise<Body> => (await server.call('GET', `/api/v1/${path}`)).body
const copied = async (task: string, id = ''): Promise<Body> => at(fresh, `db/trajectory/acme/${task}/${id}`)

describe('an import', () => {
  it('first copies as many runs of each task as it may', async () => {
    const ended = await importNow('--runs', '2')
    expect(ended).toMatchObject({ code: 0 })
    expect(report()).toMatchObject({
      finished: expect.any(String),
      counts: { 'tasks created': 2, 'datasets created': 1, items: 2, 'data files': 2, runs: 11, files: 1 },
    })
    expect(ended.stdout).toContain('Set the values of OLD_KEY, OPENAI_API_KEY: jetty env set acme <NAME>')
  })

  it('goes on with the rest, and copies nothing twice', async () => {
    expect(await importNow()).toMatchObject({ code: 0 })
    const { total } = await at(fresh, 'db/trajectories/acme/echo')
    expect(total).toBe(27) // with those of the batch and of the evaluation
    expect(Object.keys(report().files)).toEqual([file])
  })

  it('copies tasks as they are', async () => {
    const [theirs, ours] = await Promise.all([at(old, 'tasks/acme/echo'), at(fresh, 'tasks/acme/echo')])
    expect([ours.workflow, ours.description]).toEqual([theirs.workflow, theirs.description])
  })

  it('copies runs with ids, times, errors and labels of their authors', async () => {
    const theirs = await at(old, `db/trajectory/acme/echo/${ids[0]}`)
    const ours = await copied('echo', ids[0])
    expect(ours).toMatchObject({
      trajectory_id: ids[0],
      status: 'completed',
      created: theirs.created,
      ended: theirs.ended,
    })
    expect(ours.steps.eval.inputs.input).toEqual({ text: 'run 0' })
    expect(ours.steps.eval.outputs.output).toEqual({ say: { text: 'run 0' } })
    expect(ours.labels).toEqual([expect.objectContaining({ key: 'grade', value: 'good', author: 'ann' })])
    const failed = await copied('echo', ids[23])
    expect([failed.status, failed.attributes.params.error]).toEqual(['failed', expect.stringContaining('text')])
  })

  it('copies the runs of the tasks that the server makes itself, with tokens and cost', async () => {
    expect(report().problems).toEqual([])
    const names = ['_batch', '_chat', '_embeddings', '_evaluation', '_messages', '_responses', '_try']
    expect(Object.keys(own).sort()).toEqual(names)
    for (const [task, id] of Object.entries(own)) {
      const theirs = await at(old, `db/trajectory/acme/${task}/${id}`)
      const { status, ended, usage, cost_usd } = await copied(task, id)
      expect([task, status, ended]).toEqual([task, theirs.status, theirs.ended])
      expect([task, usage, cost_usd]).toEqual([task, theirs.usage, theirs.cost_usd])
    }
    const chat = await copied('_chat', own._chat)
    expect(chat).toMatchObject({ cost_usd: expect.closeTo(0.00021, 9), usage: { total_tokens: 1100 } })
    expect(chat.steps.eval.outputs.output.completion.text).toBe('You said: hello')
    const { runs } = await at(fresh, 'runs/acme?task=_chat')
    expect(runs).toMatchObject([{ trajectory_id: own._chat, cost_usd: expect.closeTo(0.00021, 9), tokens: 1100 }])
    // A copy is a record of an evaluation, and not one of this server.
    expect((await at(fresh, 'evaluations/acme')).evaluations).toEqual([])
    expect((await at(fresh, 'batches/acme')).batches).toEqual([])
    const { workflow } = await at(fresh, 'tasks/acme/_chat')
    expect(workflow).toEqual((await at(old, 'tasks/acme/_chat')).workflow)
  })

  it('takes no text for a file that only begins like one', async () => {
    const { at: places } = { at: report().problems.map(({ at }: Body) => at) }
    expect(places.join()).not.toContain('sonnet')
    expect((await copied('echo', ids[22])).steps.eval.inputs.input).toEqual({ text: 'acme/sonnet-4' })
  })

  it('copies the files that runs name, and leads to the copies', async () => {
    const ours = await copied('read', ids[24])
    const [path] = ours.steps.eval.inputs.input.file_paths
    expect(path).not.toBe(file)
    expect((await fresh.call('GET', `/api/v1/file/${path}`)).body).toBe('from the old server')
  })

  it('copies datasets with their data files, once', async () => {
    expect((await at(fresh, 'datasets/acme/letters')).dataset_metadata).toEqual({ name: 'Letters' })
    const { files } = await at(fresh, 'datasets/acme/letters/data')
    const texts = files.map(({ file_path }: Body) => at(fresh, `file/${file_path}`))
    expect(await Promise.all(texts)).toEqual(['first', 'second'])
  })

  it('copies items with their ids, and leaves alone what was changed here', async () => {
    const shown = async () =>
      (await at(fresh, 'datasets/acme/letters/items')).items.map(({ id, data }: Body) => [id === 'a', data])
    const copiedItems = [
      [true, { text: 'one', id: 7 }],
      [false, { text: 'two' }],
    ]
    expect(await shown()).toEqual(copiedItems)
    expect(report().counts['lists of items unchanged']).toBe(1)
    await fresh.call('PUT', '/api/v1/datasets/acme/letters/items/a', { text: 'ours' })
    await importNow()
    expect((await shown())[0]).toEqual([true, { text: 'ours' }])
    expect(report().problems).toEqual([
      { at: 'acme: dataset letters', problem: expect.stringContaining('--overwrite') },
    ])
    await importNow('--overwrite')
    expect(await shown()).toEqual(copiedItems)
  })

  it('creates routines paused, and names their secrets', async () => {
    const { routines } = await at(fresh, 'routines/acme')
    expect(routines).toEqual([expect.objectContaining({ name: 'morning', task: 'echo', paused: true })])
    expect(routines[0]).toMatchObject({ cadence: { type: 'manual' }, init_params_overrides: {} })
    expect(report().counts['routines created, paused']).toBe(1)
  })

  it('copies no value of a variable, and keeps no token', async () => {
    expect((await at(fresh, 'collections/acme')).environment_variables).toEqual({})
    const text = readFileSync(join(shell.home, 'jetty-import.json'), 'utf8')
    for (const secret of ['kept-at-the-source', 'kept-at-the-source-too', old.server.adminToken])
      expect(text).not.toContain(secret)
  })

  it('later copies only what is new, and says which tasks differ', async () => {
    const id = await run('echo', { text: 'later' })
    const workflow = { step_configs: { say: { activity: 'text_echo', text: 'other' } }, steps: ['say'] }
    await fresh.call('PUT', '/api/v1/tasks/acme/read', { workflow })
    const before = report().counts.runs
    expect(await importNow()).toMatchObject({ code: 0 })
    expect(report().counts.runs).toBe(before + 1)
    expect((await copied('echo', id)).steps.eval.outputs.output).toEqual({ say: { text: 'later' } })
    expect(report().problems).toEqual([{ at: 'acme/read', problem: expect.stringContaining('--overwrite') }])
    await importNow('--overwrite')
    expect((await at(fresh, 'tasks/acme/read')).workflow).toEqual((await at(old, 'tasks/acme/read')).workflow)
  })
})

it('trusts no source: no file of this network, no page twice, no control characters', async () => {
  const source = await startHostileSource(`${old.url}/api/v1/health`)
  const ended = await shell.jetty(['import', 'trap', '--from', source.url, '--report', 'trap.json'], {
    env: { JETTY_IMPORT_TOKEN: 'x' },
  })
  source.close()
  expect(ended.code).toBe(0)
  const { counts, problems, variables_to_set } = JSON.parse(readFileSync(join(shell.home, 'trap.json'), 'utf8'))
  expect(counts).toMatchObject({ 'tasks created': 1 })
  expect(problems).toEqual(
    expect.arrayContaining([
      { at: 'trap/one/0000/redirected.txt', problem: expect.stringContaining('private') },
      { at: 'trap/../0000/keys', problem: expect.stringContaining("'..'") },
      { at: 'trap/one', problem: expect.stringContaining('back to another') },
    ]),
  )
  expect(source.asked.filter((path) => path.includes('keys'))).toEqual([])
  expect(Object.keys(variables_to_set)).toEqual(['trap'])
  for (const text of ['\u001b[31m', 'secret-of-the-source']) expect(ended.stdout).not.toContain(text)
})

describe('it refuses', () => {
  it.each([
    [
      'a report of another import',
      ['import', '--from', 'http://127.0.0.1:1', '--report', 'jetty-import.json'],
      'is the report of an import from',
    ],
    ['an address with a password', ['import', '--from', 'http://a:b@old.example.com'], 'without a password'],
    ['an address that is none', ['import', '--from', 'old'], '--from must be the address of a server'],
    [
      'a number that is none',
      ['import', '--from', 'http://127.0.0.1:1', '--runs', 'all'],
      '--runs must be a whole number',
    ],
  ])('%s', async (_, args, message) => {
    const ended = await shell.jetty(args, { env: { JETTY_IMPORT_TOKEN: 'x' } })
    expect([ended.code, ended.stderr]).toEqual([2, expect.stringContaining(message)])
  })

  it('an import without a token of the source', async () => {
    const ended = await shell.jetty(['import', '--from', 'http://127.0.0.1:1', '--report', 'other.json'])
    expect([ended.code, ended.stderr]).toEqual([2, expect.stringContaining('--from-token-file')])
    expect(existsSync(join(shell.home, 'other.json'))).toBe(false)
  })
})
