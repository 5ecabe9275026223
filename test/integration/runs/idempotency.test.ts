import { randomUUID } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { RunExists } from '../../../src/engine/engine.ts'
import { newRunKey } from '../../../src/lib/ids.ts'
import { sweepIdempotencyKeys } from '../../../src/store/idempotency.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const secret = `unmistakable-${randomUUID()}`
let jetty: TestServer
let beside: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
  beside = await startTestServer({ beside: jetty, env: { JETTY_ROLE: 'api' } }) // two dispatchers do not fit into one process
})
afterAll(async () => {
  await beside?.close()
  await jetty?.close()
})

interface Sent {
  key?: string
  params?: object
  secrets?: object
  files?: Record<string, string>
  token?: string
  url?: string
}
const send = async (path: string, { key, params, secrets, files = {}, token, url }: Sent = {}) => {
  const form = new FormData()
  if (params) form.append('init_params', JSON.stringify(params))
  if (secrets) form.append('secret_params', JSON.stringify(secrets))
  for (const [name, content] of Object.entries(files)) form.append('files', new Blob([content]), name)
  const response = await fetch(`${url ?? jetty.url}/api/v1/${path}`, {
    method: 'POST',
    body: form,
    headers: {
      authorization: `Bearer ${token ?? jetty.server.adminToken}`,
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    },
  })
  const text = await response.text()
  return { status: response.status, text, body: JSON.parse(text) as Body }
}

const echoing = { step_configs: { say: { activity: 'text_echo', text_path: 'init_params.text' } }, steps: ['say'] }
const napping = { step_configs: { nap: { activity: 'sleep', seconds: 0.3 } }, steps: ['nap'] }

const rowsOf = async (table: string): Promise<number> => {
  const [row] = await jetty.server.database.query<{ total: number }>(`select count(*)::int as total from ${table}`)
  return row?.total ?? -1
}
const runsOf = async (task: string): Promise<number> =>
  (await jetty.call('GET', `/api/v1/db/trajectories/acme/${task}`)).body.total
const objectCount = (): number =>
  readdirSync(join(jetty.server.dataDir, 'files'), { recursive: true, withFileTypes: true }).filter((one) =>
    one.isFile(),
  ).length
const age = (hours: number) =>
  jetty.server.database.query(`update idempotency_keys set created_at = now() - interval '${hours} hours'`)

describe('the same key', () => {
  test.each(['run', 'run-sync'])('%s: gets the first answer, byte for byte, and one run', async (route) => {
    const task = await jetty.task(echoing)
    const sent = { key: randomUUID(), params: { text: 'once', b: 1 }, secrets: { TOKEN: secret } }
    const first = await send(`${route}/acme/${task}`, sent)
    expect(first.status).toBe(200)
    await jetty.until(task, first.body.trajectory_id, (seen) => seen.ended !== null)
    expect((await send(`${route}/acme/${task}`, sent)).text).toBe(first.text)
    expect((await send(`${route}/ACME/${task.toUpperCase()}/`, sent)).text).toBe(first.text)
    const otherOrder = { ...sent, params: { b: 1, text: 'once' } }
    expect((await send(`${route}/acme/${task}`, otherOrder)).text).toBe(first.text)
    expect(await runsOf(task)).toBe(1)
    expect((await send(`${route}/acme/${task}`, { ...sent, key: randomUUID() })).body.trajectory_id).not.toBe(
      first.body.trajectory_id,
    )
  })

  test('with anything else in the body is refused', async () => {
    const task = await jetty.task(echoing)
    const sent = { key: randomUUID(), params: { text: 'a' }, secrets: { TOKEN: secret }, files: { 'a.txt': '1' } }
    expect((await send(`run/acme/${task}`, sent)).status).toBe(200)
    const others: Sent[] = [
      { params: { text: 'b' } },
      { params: { text: 'a', more: null } },
      { secrets: { TOKEN: `${secret}2` } },
      { secrets: {} },
      { files: {} },
      { files: { 'a.txt': '2' } },
      { files: { 'b.txt': '1' } },
      { files: { 'a.txt': '1', 'b.txt': '1' } },
    ]
    const before = objectCount()
    for (const other of others) {
      const { status, body } = await send(`run/acme/${task}`, { ...sent, ...other })
      expect([other, status]).toEqual([other, 409])
      expect(body.detail).toBe('This Idempotency-Key was used for a different request within the last 24 hours')
      expect(body.hint).toMatch(/new key/)
    }
    expect([await runsOf(task), objectCount()]).toEqual([1, before])
  })

  test('belongs to its caller, operation and task', async () => {
    const [one, two] = [await jetty.task(echoing), await jetty.task(echoing)]
    const key = randomUUID()
    const made = await jetty.call('POST', '/api/v1/api-keys', { name: 'mine', collection_name: 'acme' })
    const params = { text: 'x' }
    const answers = await Promise.all([
      send(`run/acme/${one}`, { key, params }),
      send(`run-sync/acme/${one}`, { key, params }),
      send(`run/acme/${two}`, { key, params }),
      send(`run/acme/${one}`, { key, params, token: made.body.api_key }),
    ])
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200])
    expect(new Set(answers.map((answer) => answer.body.trajectory_id)).size).toBe(4)
  })

  test('starts one run however many send it at once, to whichever process', async () => {
    const task = await jetty.task(napping)
    for (const route of ['run', 'run-sync', 'run']) {
      const before = await runsOf(task)
      const key = randomUUID()
      const objects = objectCount()
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, at) =>
          send(`${route}/acme/${task}`, {
            key,
            params: { n: 1 },
            files: route === 'run' ? {} : { 'a.txt': 'sent twenty times' },
            url: at % 2 ? beside.url : jetty.url,
          }),
        ),
      )
      expect([...new Set(answers.map(({ status, body }) => `${status} ${body.trajectory_id}`))]).toHaveLength(1)
      expect(answers[0]?.status).toBe(200)
      const texts = new Set(answers.map((answer) => answer.text.replaceAll(beside.url, jetty.url)))
      expect(texts.size).toBe(1)
      expect(await runsOf(task)).toBe(before + 1)
      if (route === 'run') expect(objectCount()).toBe(objects)
    }
  })

  test('drops the files that came again', async () => {
    const task = await jetty.task({ step_configs: { read: { activity: 'read_uploaded_file' } }, steps: ['read'] })
    const sent = { key: randomUUID(), files: { 'a.txt': 'content' } }
    const first = await send(`run-sync/acme/${task}`, sent)
    const before = { files: await rowsOf('files'), objects: objectCount() }
    expect((await send(`run-sync/acme/${task}`, sent)).text).toBe(first.text)
    expect({ files: await rowsOf('files'), objects: objectCount() }).toEqual(before)
    expect(first.body.steps.read.outputs.content).toBe('content')
  })

  test('answers also when what the request named is gone by now', async () => {
    const task = await jetty.task(echoing)
    const form = new FormData()
    form.append('collection', 'acme')
    form.append('file', new Blob(['x']), 'x.txt')
    const upload = (await jetty.call('POST', '/api/v1/files/upload', form)).body
    const sent = { key: randomUUID(), params: { file_paths: [upload.id] } }
    const first = await send(`run/acme/${task}`, sent)
    expect((await jetty.call('DELETE', `/api/v1/files/${upload.id}`)).status).toBe(200)
    expect((await send(`run/acme/${task}`, sent)).text).toBe(first.text)
    expect((await send(`run/acme/${task}`, { ...sent, key: randomUUID() })).status).toBe(422)
  })

  test('may be used anew after 24 hours, and is swept then', async () => {
    const task = await jetty.task(echoing)
    const sent = { key: randomUUID(), params: { text: 'day' } }
    const first = await send(`run/acme/${task}`, sent)
    await age(23)
    expect((await send(`run/acme/${task}`, sent)).body.trajectory_id).toBe(first.body.trajectory_id)
    await sweepIdempotencyKeys(jetty.server.database)
    expect(await rowsOf('idempotency_keys')).toBeGreaterThan(0)
    await age(25)
    const other = { ...sent, params: { text: 'another day' } }
    const second = await send(`run/acme/${task}`, other)
    expect(second.status).toBe(200)
    expect(second.body.trajectory_id).not.toBe(first.body.trajectory_id)
    expect((await send(`run/acme/${task}`, other)).text).toBe(second.text)
    expect((await send(`run/acme/${task}`, sent)).status).toBe(409)
    await age(25)
    await sweepIdempotencyKeys(jetty.server.database)
    expect(await rowsOf('idempotency_keys')).toBe(0)
  })
})

describe('labels with a key', () => {
  const label = async (path: string, key: string, body: object, url = jetty.url) => {
    const response = await fetch(`${url}/api/v1/trajectory/${path}/labels`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { authorization: `Bearer ${jetty.server.adminToken}`, 'idempotency-key': key },
    })
    return { status: response.status, text: await response.text() }
  }
  const labelled = async () => {
    const task = await jetty.task(echoing)
    const { trajectory_id: id } = (await send(`run-sync/acme/${task}`, { params: { text: 'x' } })).body
    return { path: `acme/${task}/${id}`, labels: async () => (await jetty.get(task, id)).labels as Body[] }
  }

  test('are set once: a repetition gets the first answer and undoes nothing', async () => {
    const { path, labels } = await labelled()
    const good = { key: 'quality', value: 'good', author: 'a' }
    const first = await label(path, 'k1', good)
    expect(first.status).toBe(200)
    const second = await label(path, 'k2', { ...good, value: 'bad' })
    expect(JSON.parse(second.text).label.value).toBe('bad')
    expect(await label(path, 'k1', { author: 'a', value: 'good', key: 'quality' })).toEqual(first)
    expect((await labels()).map(({ value }) => value)).toEqual(['bad'])
    expect((await label(path, 'k1', { ...good, value: 'other' })).status).toBe(409)
    expect((await label(path, 'a b', good)).status).toBe(422)
    const elsewhere = await labelled()
    expect((await label(elsewhere.path, 'k1', { ...good, value: 'other' })).status).toBe(200)
  })

  test('are set once by many at the same time; what is refused uses up no key', async () => {
    const { path, labels } = await labelled()
    const body = { key: 'k', value: '1', author: 'a' }
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, at) => label(path, 'same', body, at % 2 ? beside.url : jetty.url)),
    )
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1)
    expect([answers[0]?.status, (await labels()).length]).toEqual([200, 1])
    expect((await label(path, 'later', { key: 'k' })).status).toBe(422)
    expect((await label(`${path}0`, 'later', body)).status).toBe(404)
    expect((await label(path, 'later', { ...body, value: '2' })).status).toBe(200)
  })
})

describe('a key is not used up', () => {
  test('by a request that is refused', async () => {
    const task = await jetty.task(echoing)
    const key = randomUUID()
    const made = await jetty.call('POST', '/api/v1/api-keys', {
      name: 'reader',
      collection_name: 'acme',
      access_level: 'READ',
    })
    const before = await rowsOf('idempotency_keys')
    const refused: [string, Sent, number][] = [
      [task, { params: { file_paths: ['acme/none'] } }, 422],
      [task, { secrets: { 'A B': secret } }, 422],
      ['none', {}, 404],
      [task, { token: made.body.api_key }, 403],
    ]
    for (const [name, sent, status] of refused) {
      expect((await send(`run/acme/${name}`, { key, ...sent })).status).toBe(status)
    }
    expect(await rowsOf('idempotency_keys')).toBe(before)
    expect((await send(`run/acme/${task}`, { key, params: { text: 'now' } })).status).toBe(200)
  })

  test('by a run that is refused as it cannot be served: put right, it is sent again with the same key', async () => {
    const asking = {
      init_params: { model: 'gpt-none' },
      step_configs: { ask: { activity: 'litellm_chat', model_path: 'init_params.model', prompt: 'Hello' } },
      steps: ['ask'],
    }
    const task = await jetty.task(asking)
    const key = randomUUID()
    const before = await rowsOf('idempotency_keys')
    const refusing = `run/acme/${task}?preflight=refuse`
    expect((await send(refusing, { key })).status).toBe(422)
    const secrets = { OPENAI_API_KEY: secret }
    expect((await send(refusing, { key, secrets, params: { model: 'nobody/none' } })).status).toBe(422)
    expect([await runsOf(task), await rowsOf('idempotency_keys')]).toEqual([0, before])
    const accepted = await send(refusing, { key, secrets, params: { model: 'gpt-4o-mini' } })
    expect([accepted.status, await runsOf(task)]).toEqual([200, 1])
  })

  test('by a rerun without the secrets that it needs', async () => {
    const task = await jetty.task({
      step_configs: { say: { activity: 'text_echo', text_path: 'env.WORD' } },
      steps: ['say'],
    })
    const first = (await send(`run-sync/acme/${task}`, { secrets: { WORD: secret } })).body.trajectory_id
    const headers = { authorization: `Bearer ${jetty.server.adminToken}`, 'idempotency-key': randomUUID() }
    const rerun = async (body: object) => {
      const url = `${jetty.url}/api/v1/trajectory/acme/${task}/${first}/rerun?preflight=refuse`
      return (await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })).status
    }
    expect(await rerun({})).toBe(422)
    expect(await rerun({ secret_params: { WORD: secret } })).toBe(200)
    expect(await rerun({})).toBe(409)
  })

  test('by a process that dies between the claim and the run', async () => {
    const task = await jetty.task(napping)
    const sent = { key: randomUUID(), params: { n: 1 }, secrets: { TOKEN: secret } }
    // A run that was claimed and never started: the claim of another request is given the key of a run that is not there.
    await send(`run/acme/${task}`, sent)
    const lost = newRunKey()
    await jetty.server.database.query('update idempotency_keys set run_key = $1 where run_key is not null', [lost])
    const before = await runsOf(task)
    const answers = await Promise.all([1, 2, 3].map(() => send(`run/acme/${task}`, sent)))
    expect(new Set(answers.map((answer) => answer.text)).size).toBe(1)
    expect(await runsOf(task)).toBe(before + 1)
    const [row] = await jetty.server.database.query<Body>('select trajectory_id from runs where id = $1', [lost])
    expect(row.trajectory_id).toBe(answers[0]?.body.trajectory_id)
    expect((await send(`run/acme/${task}`, { ...sent, params: {} })).status).toBe(409)
  })
})

test('of runs with one internal key that start at once, one starts; the same where they are queued', async () => {
  const task = await jetty.task(echoing)
  const [row] = await jetty.server.database.query<Body>(
    'select id, name, definition, collection_id from tasks where name = $1',
    [task],
  )
  for (const { engine } of [jetty.server, beside.server]) {
    const before = await runsOf(task)
    const request = {
      collection: { id: row.collection_id, name: 'acme', payer: 1, environmentId: null },
      task: row,
      initParams: { text: 'x' },
      secrets: {},
      files: [],
      author: 'admin',
      key: newRunKey(),
    }
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => engine.start(request)))
    const refusals = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
    expect(refusals).toEqual([expect.any(RunExists), expect.any(RunExists)])
    await expect(engine.start(request)).rejects.toBeInstanceOf(RunExists)
    expect(await runsOf(task)).toBe(before + 1)
  }
})

test('a key is 1 to 255 visible characters', async () => {
  const task = await jetty.task(echoing)
  for (const key of ['', 'a b', 'x'.repeat(256), 'ümlaut']) {
    const { status, body } = await send(`run/acme/${task}`, { key })
    expect([key, status, body.detail?.[0].loc]).toEqual([key, 422, ['header', 'Idempotency-Key']])
  }
  for (const key of ['x', '"quoted"', '~'.repeat(255)])
    expect((await send(`run/acme/${task}`, { key })).status).toBe(200)
})

test('what a request sent is not told by what is kept of it', async () => {
  const task = await jetty.task(echoing)
  await send(`run/acme/${task}`, { key: 'visible-key', secrets: { TOKEN: secret } })
  const rows = await jetty.server.database.query<{ fingerprint: string }>('select * from idempotency_keys')
  expect(JSON.stringify(rows)).not.toMatch(/visible-key|unmistakable/)
  for (const { fingerprint } of rows) {
    expect(fingerprint).toMatch(new RegExp(`^v1\\.${jetty.server.sealer.currentKeyId}\\.`))
  }
})

test('the document says which calls take a key', async () => {
  const { paths } = (await jetty.call('GET', '/openapi.json')).body
  const taking = Object.entries<Body>(paths).flatMap(([path, methods]) =>
    Object.values<Body>(methods)
      .filter((one) => one.parameters.some(({ name }: Body) => name === 'Idempotency-Key'))
      .map((one) => [path, one.responses['409'] !== undefined && one.responses['422'] !== undefined]),
  )
  expect(taking).toEqual(
    expect.arrayContaining([
      ['/api/v1/run/{collection}/{task}', true],
      ['/api/v1/run-sync/{collection}/{task}', true],
    ]),
  )
  expect(taking.filter(([, isRefusedSo]) => !isRefusedSo)).toEqual([])
})

describe('what another process changes', () => {
  const start = (task: string, token?: string) =>
    send(`run-sync/acme/${task}`, { url: beside.url, params: { text: 'first' }, ...(token && { token }) })

  test('decides about the next starts of a task, and of a key', async () => {
    const task = await jetty.task(echoing)
    const made = (await jetty.call('POST', '/api/v1/api-keys', { name: 'moved on', collection_name: 'acme' })).body
    expect((await start(task, made.api_key)).body.result).toEqual({ text: 'first' })
    const changed = { ...echoing, step_configs: { say: { activity: 'text_echo', text: 'second' } } }
    expect((await jetty.call('PUT', `/api/v1/tasks/acme/${task}`, { workflow: changed })).status).toBe(200)
    await vi.waitFor(async () => expect((await start(task)).body.result).toEqual({ text: 'second' }), 20_000)
    expect((await start(task, made.api_key)).status).toBe(200)
    await jetty.call('DELETE', `/api/v1/api-keys/${made.id}`)
    await vi.waitFor(async () => expect((await start(task, made.api_key)).status).toBe(401), 20_000)
  })
})
