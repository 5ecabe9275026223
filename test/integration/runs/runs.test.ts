import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { trajectorySchema, workflowResponseSchema } from '../../../src/model/runs/trajectory.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({
    env: {
      JETTY_MAX_UPLOAD_BYTES: '64KiB',
      JETTY_MAX_FILES_PER_RUN: '3',
      JETTY_MAX_INIT_PARAMS_BYTES: '8KiB',
    },
  })
})
afterAll(() => jetty?.close())

const echo = (given: Record<string, unknown>) => ({ activity: 'text_echo', ...given })
const echoing = {
  init_params: { text: 'preset', keep: true },
  step_configs: { say: echo({ text_path: 'init_params.text' }) },
  steps: ['say'],
}

type Sent = string | FormData | URLSearchParams
const post = async (
  path: string,
  body: Sent,
  type?: string,
  token = jetty.server.adminToken,
): Promise<{ status: number; body: Body }> => {
  const response = await fetch(`${jetty.url}/api/v1${path}`, {
    method: 'POST',
    body,
    headers: { authorization: `Bearer ${token}`, ...(type ? { 'content-type': type } : {}) },
  })
  return { status: response.status, body: await response.json() }
}

const form = (fields: Record<string, string>, files: [string, string | Uint8Array<ArrayBuffer>][] = []): FormData => {
  const data = new FormData()
  for (const [name, value] of Object.entries(fields)) data.append(name, value)
  for (const [name, content] of files) data.append('files', new Blob([content]), name)
  return data
}

const uploadOf = (name: string, collection = 'acme'): FormData => {
  const data = form({ collection })
  data.append('file', new Blob(['uploaded']), name)
  return data
}

const objectCount = (): number =>
  readdirSync(join(jetty.server.dataDir, 'files'), { recursive: true, withFileTypes: true }).filter((one) =>
    one.isFile(),
  ).length
const rowCounts = async (): Promise<Record<string, number>> => {
  const [row] = await jetty.server.database.query<Record<string, number>>(
    `select (select count(*) from runs) runs, (select count(*) from files) files,
       (select coalesce(sum(total), 0)::int from run_counts) counted`,
  )
  return row ?? {}
}

describe('the answer to a run', () => {
  test('names the run, which can be read at once', async () => {
    const task = await jetty.task(echoing)
    const answer = await post(`/run/acme/${task}`, form({ init_params: '{"text":"x","input":1}' }))
    const { trajectory_id: id } = answer.body
    expect(answer.status).toBe(200)
    workflowResponseSchema.parse(answer.body)
    trajectorySchema.parse(answer.body.trajectory)
    expect(answer.body).toMatchObject({
      message: 'Workflow started',
      workflow_id: `acme-${task}--${id}`,
      trajectory_id: expect.stringMatching(/^[0-9a-f]{8}$/),
      status: 'pending',
      result: {},
      metadata: '',
      url: `${jetty.url}/acme/${task}/${id}`,
      trajectory: { trajectory_id: id, init_params: { text: 'x', keep: true, input: 1 } },
    })
    expect(answer.body).not.toHaveProperty('trial')
    const reads = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const { body } = await post(`/run/acme/${task}`, '')
        return (await jetty.call('GET', `/api/v1/db/trajectory/acme/${task}/${body.trajectory_id}`)).status
      }),
    )
    expect(new Set(reads)).toEqual(new Set([200]))
  })

  test('is the same for multipart, urlencoded, JSON, an empty body, and a stray brace', async () => {
    const task = await jetty.task(echoing)
    const fields = { init_params: '{"text":"ü;&=+%"}', use_trial_keys: 'False', bakery_host: 'old', other: 'ignored' }
    const spellings: [Sent, string?][] = [
      [form(fields)],
      [new URLSearchParams(fields)],
      [JSON.stringify({ ...fields, init_params: { text: 'ü;&=+%' }, use_trial_keys: false }), 'application/json'],
      [JSON.stringify(fields), 'application/json; charset=utf-8'],
      [form({ ...fields, init_params: `${fields.init_params}}` })],
    ]
    for (const [body, type] of spellings) {
      const done = await post(`/run-sync/acme/${task}`, body, type)
      expect([done.status, done.body.steps?.say.outputs]).toEqual([200, { text: 'ü;&=+%' }])
    }
    for (const body of ['', form({ init_params: '' }), form({ init_params: '{}' })]) {
      const done = await post(`/run-sync/acme/${task}`, body)
      expect([done.status, done.body.init_params]).toEqual([200, echoing.init_params])
    }
  })

  test('of run-sync is the whole document, and what the client of a run expects', async () => {
    const task = await jetty.task(echoing)
    const { status, body } = await post(`/run-sync/acme/${task}`, form({}))
    expect(status).toBe(200)
    trajectorySchema.parse(body)
    expect(body).toMatchObject({
      status: 'completed',
      message: expect.any(String),
      workflow_id: `acme-${task}--${body.trajectory_id}`,
      result: { text: 'preset' },
      metadata: '',
    })
    const { message: _, result: __, metadata: ___, trajectory, ...document } = body
    expect(trajectory).toEqual(document)
    expect(await jetty.get(task, body.trajectory_id)).toEqual(document)
    const failed = await jetty.run({ step_configs: { a: echo({ text_path: 'env.NO' }) }, steps: ['a'] })
    expect(failed).toMatchObject({ status: 'failed', result: {}, error: expect.stringMatching(/Step 'a' failed/) })
    expect((await jetty.run({})).result).toEqual({})
  })
})

describe('run-sync and time', () => {
  const gated = {
    step_configs: { gate: { activity: 'wait_for_approval', message: 'On?' }, end: echo({ text: 'done' }) },
    steps: ['gate', 'end'],
  }
  /** Lets a run end, once it waits for that. */
  const approve = async (task: string, id: string): Promise<Body> => {
    const path = `/api/v1/trajectory/acme/${task}/${id}/steps/gate/approval`
    while ((await jetty.call('POST', path, { decision: 'approve' })).status !== 200) await pause(20)
    return jetty.until(task, id, (seen) => seen.ended !== null)
  }

  test('past the limit: 524 with the ids, and the run goes on', async () => {
    const task = await jetty.task(gated)
    const env = { JETTY_ROLE: 'api', JETTY_SYNC_WAIT_SECONDS: '1' }
    const hasty = await startTestServer({ beside: jetty, env })
    try {
      const { status, body } = await hasty.call('POST', `/api/v1/run-sync/acme/${task}`, {})
      expect([status, body]).toEqual([
        524,
        {
          detail: 'Run still in progress; poll the trajectory',
          workflow_id: `acme-${task}--${body.trajectory_id}`,
          trajectory_id: expect.stringMatching(/^[0-9a-f]{8}$/),
        },
      ])
      const done = await approve(task, body.trajectory_id)
      expect([done.status, done.steps.end.outputs.text]).toEqual(['completed', 'done'])
    } finally {
      await hasty.close()
    }
  })

  test('a client that goes away cancels nothing', async () => {
    const task = await jetty.task(gated)
    const gone = new AbortController()
    const left = fetch(`${jetty.url}/api/v1/run-sync/acme/${task}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${jetty.server.adminToken}` },
      signal: gone.signal,
    }).catch((error) => error.name)
    const list = () => jetty.call('GET', `/api/v1/db/trajectories/acme/${task}`)
    while ((await list()).body.total === 0) await pause(10)
    gone.abort()
    expect(await left).toBe('AbortError')
    const [{ trajectory_id: id }] = (await list()).body.trajectories
    expect((await approve(task, id)).status).toBe('completed')
  })
})

describe('files', () => {
  test('keep their order, bytes and names, and stand after the paths of the caller', async () => {
    const task = await jetty.task({})
    const sent: [string, Uint8Array<ArrayBuffer>][] = [
      ['Größe 1 (final).PDF', new Uint8Array([0, 255, 10, 13, 45, 45])],
      ['../../etc/pass wd', new Uint8Array()],
      ['a.tar.gz', new Uint8Array(60_000).map((_, at) => at * 7)],
    ]
    const own = (await post('/files/upload', uploadOf('own.txt'))).body.path
    const given = { init_params: JSON.stringify({ file_paths: [own] }) }
    const done = await post(`/run-sync/acme/${task}`, form(given, sent))
    const { trajectory_id: id, init_params } = done.body
    expect(init_params.file_paths).toEqual([
      own,
      `acme/${task}/0000/${id}.00.PDF`,
      `acme/${task}/0000/${id}.01.bin`,
      `acme/${task}/0000/${id}.02.gz`,
    ])
    const names = ['Größe 1 (final).PDF', 'pass wd', 'a.tar.gz']
    for (const [at, path] of init_params.file_paths.slice(1).entries()) {
      const file = await fetch(`${jetty.url}/api/v1/file/${path}`, {
        headers: { authorization: `Bearer ${jetty.server.adminToken}` },
      })
      expect(new Uint8Array(await file.arrayBuffer())).toEqual(sent[at]?.[1])
      const shown = file.headers.get('content-disposition') ?? ''
      const extended = /filename\*=UTF-8''(\S+)/.exec(shown)?.[1]
      expect(extended ? decodeURIComponent(extended) : /filename="([^"]*)"/.exec(shown)?.[1]).toBe(names[at])
    }
  })

  test('are read by the steps of the run; what a step saves is downloaded', async () => {
    const done = await jetty.run(
      {
        step_configs: {
          read: { activity: 'read_uploaded_file' },
          save: { activity: 'save_text_file', text_path: 'read.outputs.content', filename: 'out.md' },
        },
        steps: ['read', 'save'],
      },
      {},
      { 'in.txt': 'Zeile 1\nZeile 2' },
    )
    expect(done.status).toBe('completed')
    expect(done.steps.save.outputs.path).toMatch(/\.save\.0000\.out\.md$/)
    expect((await jetty.call('GET', `/api/v1/file/${done.steps.save.outputs.path}`)).body).toBe('Zeile 1\nZeile 2')
  })
})

describe('files that were uploaded before', () => {
  const reading = { step_configs: { read: { activity: 'read_uploaded_file' } }, steps: ['read'] }

  test('are named by path or by id', async () => {
    const task = await jetty.task(reading)
    const { body } = await post('/files/upload', uploadOf('a.txt'))
    for (const file_paths of [[body.path], [body.id], [body.id, body.path, body.id]]) {
      const done = await post(`/run-sync/acme/${task}`, form({ init_params: JSON.stringify({ file_paths }) }))
      expect([done.body.status, done.body.steps.read.outputs.content]).toEqual(['completed', 'uploaded'])
      expect(done.body.init_params.file_paths).toEqual(file_paths.map(() => body.path))
    }
    const made = (await post(`/run-sync/acme/${task}`, form({}, [['b.txt', 'of a run']]))).body.init_params.file_paths
    const again = await post(`/run-sync/acme/${task}`, form({ init_params: JSON.stringify({ file_paths: made }) }))
    expect(again.body.steps.read.outputs.content).toBe('of a run')
  })

  test('must be there, in the collection of the run; what the task itself names is its own business', async () => {
    await jetty.call('POST', '/api/v1/collections', { name: 'beside' })
    const own = (await post('/files/upload', uploadOf('own.txt'))).body
    const foreign = (await post('/files/upload', uploadOf('foreign.txt', 'beside'))).body
    const gone = (await post('/files/upload', uploadOf('gone.txt'))).body
    await jetty.call('DELETE', `/api/v1/files/${gone.id}`)
    const task = await jetty.task({ ...reading, init_params: { file_paths: ['acme/nowhere.txt'] } })
    const before = { ...(await rowCounts()), objects: objectCount() }
    const bad = [
      foreign.path,
      foreign.id,
      gone.path,
      gone.id,
      'acme/none.txt',
      'file-1',
      '',
      'a\0b',
      7,
      null,
      [own.path],
    ]
    for (const entry of bad) {
      const init_params = JSON.stringify({ file_paths: [own.path, own.id, entry] })
      const { status, body } = await post(`/run/acme/${task}`, form({ init_params }, [['sent.txt', 'x']]))
      expect([entry, status, body.detail.length]).toEqual([entry, 422, 1])
      expect(body.detail[0].loc).toEqual(['body', 'init_params', 'file_paths', 2])
    }
    const all = await post(`/run/acme/${task}`, form({ init_params: JSON.stringify({ file_paths: bad }) }))
    expect(all.body.detail.map((one: Body) => one.loc[3])).toEqual(bad.map((_, at) => at))
    expect({ ...(await rowCounts()), objects: objectCount() }).toEqual(before)
    const untouched = await post(`/run-sync/acme/${task}`, form({ init_params: '{"text":"x"}' }))
    expect([untouched.status, untouched.body.status]).toEqual([200, 'failed'])
    const emptied = await post(`/run-sync/acme/${task}`, form({ init_params: '{"file_paths":[]}' }))
    expect(emptied.body.init_params.file_paths).toEqual([])
  })
})

test('a refused run says why, by field, and leaves nothing behind', async () => {
  const task = await jetty.task(echoing)
  await jetty.call('POST', '/api/v1/collections', { name: 'other' })
  const key = async (body: object): Promise<string> => (await jetty.call('POST', '/api/v1/api-keys', body)).body.api_key
  const reader = await key({ name: 'r', collection_name: 'acme', access_level: 'READ' })
  const stranger = await key({ name: 's', collection_name: 'other' })
  const before = { ...(await rowCounts()), objects: objectCount() }
  const file: [string, string][] = [['a.txt', 'x'.repeat(1000)]]
  const big = new Uint8Array(65 * 1024)
  const cases: [string, number, unknown, FormData, string?][] = [
    ['webhook_url', 422, 'webhook_url', form({ webhook_url: 'ftp://x.example' }, file)],
    ['webhook_secret', 422, 'webhook_secret', form({ webhook_secret: 's' }, file)],
    ['no boolean', 422, 'use_trial_keys', form({ use_trial_keys: 'maybe' }, file)],
    ['a subscription', 400, /subscription_credential.*user/, form({ subscription_credential: 'codex' }, file)],
    [
      'a subscription in init_params',
      400,
      /subscription_credential.*user/,
      form({ init_params: '{"subscription_credential":"codex"}' }, file),
    ],
    ['no JSON', 422, 'init_params', form({ init_params: '{"a":1' }, file)],
    ['a list', 422, 'init_params', form({ init_params: '[1]' }, file)],
    ['secrets that are no strings', 422, 'secret_params', form({ secret_params: '{"A":1}' }, file)],
    ['a bad secret name', 422, 'secret_params', form({ secret_params: '{"A B":"1"}' }, file)],
    [
      'large init_params',
      413,
      /init_params is too large.*8 KiB/,
      form({ init_params: `{"a":"${'x'.repeat(9000)}"}` }, file),
    ],
    ['a large file', 413, 'File too large. Maximum allowed size is 64 KiB', form({}, [...file, ['b', big]])],
    [
      'many files',
      422,
      'files',
      form(
        {},
        ['a', 'b', 'c', 'd'].map((name) => [name, name]),
      ),
    ],
    ['a file as text', 422, 'files', form({ files: 'text' })],
    ['a READ key', 403, 'Access level WRITE required.', form({}, file), reader],
    ['a foreign key', 404, `Task '${task}' in collection 'acme' not found`, form({}, file), stranger],
    ['no token', 401, 'Invalid API key or JWT token', form({}, file), 'nonsense'],
  ]
  for (const route of ['run', 'run-sync']) {
    for (const [why, status, text, body, token] of cases) {
      const answer = await post(`/${route}/acme/${task}`, body, undefined, token)
      expect([why, answer.status]).toEqual([why, status])
      const { detail } = answer.body
      if (text instanceof RegExp) expect(detail).toMatch(text)
      else expect([why, Array.isArray(detail) ? detail[0].loc[1] : detail]).toEqual([why, text])
      if (Array.isArray(detail)) expect(detail[0].msg.length).toBeGreaterThan(15)
    }
    const none = await post(`/${route}/acme/none`, form({}, file))
    expect([none.status, none.body.detail]).toEqual([404, "Task 'none' in collection 'acme' not found"])
    expect((await post(`/${route}/nope/${task}`, form({}, file))).status).toBe(404)
  }
  for (const body of [{ init_params: [1] }, { init_params: 7 }, { secret_params: 'x' }, { webhook_url: 5 }]) {
    const answer = await post(`/run/acme/${task}`, JSON.stringify(body), 'application/json')
    expect([answer.status, answer.body.detail[0].loc]).toEqual([422, ['body', Object.keys(body)[0]]])
    expect(answer.body.detail[0].msg).not.toMatch(/^Invalid input$/)
  }
  const empty = JSON.stringify({ init_params: null, webhook_url: null, use_trial_keys: null, secret_params: null })
  expect({ ...(await rowCounts()), objects: objectCount() }).toEqual(before)
  expect((await post(`/run/acme/${task}`, empty, 'application/json')).status).toBe(200)
})
