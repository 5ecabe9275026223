// Nothing of a request is dropped silently: what is not known is named in the answer, with what was probably meant.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
const echoing = {
  init_params: { text: 'Hello!' },
  step_configs: { echo: { activity: 'text_echo', text_path: 'init_params.text' } },
  steps: ['echo'],
}
beforeAll(async () => {
  jetty = await startTestServer()
  await jetty.call('POST', '/api/v1/tasks/acme', { name: 'echo', workflow: echoing })
})
afterAll(() => jetty?.close())

const form = (fields: Record<string, string>): FormData => {
  const made = new FormData()
  for (const [name, value] of Object.entries(fields)) made.append(name, value)
  return made
}
const call = (method: string, path: string, body?: unknown) => jetty.call(method, `/api/v1${path}`, body)
const warningsOf = async (method: string, path: string, body?: unknown): Promise<Body[]> => {
  const answer = await call(method, path, body)
  expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300)
  return answer.body.warnings ?? []
}

describe('a query parameter that is not known', () => {
  test('is named in the answer, with the nearest one', async () => {
    const { status, body, headers } = await call('GET', '/db/trajectories/acme/echo?limt=1&sort=cost')
    expect([status, Array.isArray(body.trajectories)]).toEqual([200, true])
    expect(body.warnings).toEqual([
      {
        field: 'limt',
        message: 'Unknown query parameter "limt" was ignored. Did you mean "limit"?',
        did_you_mean: 'limit',
      },
      { field: 'sort', message: 'Unknown query parameter "sort" was ignored', did_you_mean: null },
    ])
    expect(headers.get('x-jetty-warnings')).toBe(
      'Unknown query parameter "limt" was ignored. Did you mean "limit"?; Unknown query parameter "sort" was ignored',
    )
  })

  test.each(['/runs/acme?colour=red', '/collections/acme?colour=red', '/trial/acme?colour=red'])(
    'GET %s says so in its object',
    async (path) => {
      expect(await warningsOf('GET', path)).toMatchObject([{ field: 'colour' }])
    },
  )

  test.each(['/tasks/acme?colour=red', '/collections/acme/environment?colour=red', '/runs/acme?format=csv&colour=red'])(
    'GET %s, which has no place for it, says so in the header alone',
    async (path) => {
      const { status, body, headers } = await call('GET', path)
      expect([status, body.warnings]).toEqual([200, undefined])
      expect(headers.get('x-jetty-warnings')).toContain('"colour"')
    },
  )

  test('of a file says so beside its bytes, which stay as they are', async () => {
    const sent = form({ collection: 'acme' })
    sent.append('file', new Blob(['{"a":1}'], { type: 'application/json' }), 'a.json')
    const { path } = (await call('POST', '/files/upload', sent)).body
    const { body, headers } = await call('GET', `/file/${path}?sort=cost`)
    expect(body).toEqual({ a: 1 })
    expect(headers.get('x-jetty-warnings')).toContain('"sort"')
  })

  test('that cannot be a header as it is does no harm', async () => {
    const { status, headers } = await call('GET', '/collections/acme?%0d%0aSet-Cookie:%20a=b&%C3%A4=1')
    expect(status).toBe(200)
    expect(headers.get('set-cookie')).toBeNull()
    expect(headers.get('x-jetty-warnings')).toContain('??Set-Cookie')
  })

  test('is not looked at before the token is', async () => {
    const { status, body, headers } = await jetty.call('GET', '/api/v1/collections/acme?sort=cost', undefined, 'mlc_x')
    expect([status, body.warnings, headers.get('x-jetty-warnings')]).toEqual([401, undefined, null])
  })
})

describe('a member that is not known', () => {
  test.each<[string, string, string, unknown, Body[]]>([
    [
      'of a form',
      'POST',
      '/run/acme/echo',
      form({ init_parms: '{"text":"x"}' }),
      [{ field: 'init_parms', did_you_mean: 'init_params' }],
    ],
    [
      'of JSON beside init_params',
      'POST',
      '/run-sync/acme/echo',
      { init_params: { text: 'x' }, text: 'y' },
      [{ field: 'text', did_you_mean: null }],
    ],
    ['of a collection', 'POST', '/collections/', { name: 'other', desc: 'x' }, [{ field: 'desc' }]],
    [
      'of a task',
      'PUT',
      '/tasks/acme/echo',
      { descripton: 'x' },
      [{ field: 'descripton', did_you_mean: 'description' }],
    ],
    ['of a batch', 'POST', '/run-batch/acme/echo', { items: [{ text: 'x' }], label: {} }, [{ field: 'label' }]],
  ])('%s', async (_, method, path, body, expected) => {
    expect(await warningsOf(method, path, body)).toEqual(expected.map((one) => expect.objectContaining(one)))
  })

  test('stands beside what is wrong', async () => {
    const { status, body, headers } = await call('POST', '/tasks/acme', { nmae: 'x', workflow: echoing })
    expect([status, body.detail[0].loc]).toEqual([422, ['body', 'name']])
    expect(body.warnings).toMatchObject([{ field: 'nmae', did_you_mean: 'name' }])
    expect(headers.get('x-jetty-warnings')).toContain('"nmae"')
  })

  test('a file under another name is not taken silently', async () => {
    const sent = form({ init_params: '{}' })
    sent.append('file', new Blob(['x']), 'x.txt')
    expect(await warningsOf('POST', '/run/acme/echo', sent)).toEqual([
      {
        field: 'file',
        message: 'Unknown file part "file" was ignored. Did you mean "files"?',
        did_you_mean: 'files',
      },
    ])
  })
})

describe('what could only be meant otherwise is refused', () => {
  test('a flat patch of the environment: it says where the variables go, and not what they are', async () => {
    const value = 'unmistakable-flat-value-81'
    const { status, body } = await call('PATCH', '/collections/acme/environment', { FLAT_KEY: value })
    expect([status, body.detail]).toEqual([
      422,
      [
        {
          loc: ['body', 'environment_variables'],
          msg: '"FLAT_KEY" is not known here, and environment_variables is missing. Did you mean {"environment_variables": {"FLAT_KEY": …}}?',
          type: 'misplaced',
        },
      ],
    ])
    expect((await call('GET', '/collections/acme/environment')).body.environment_variables).toEqual({})
  })

  test('what GET has answered may be sent back as it is', async () => {
    await call('PATCH', '/collections/acme/environment', { environment_variables: { KEPT: 'unmistakable-kept-5' } })
    const read = (await call('GET', '/collections/acme/environment')).body
    const { status, body, headers } = await call('PATCH', '/collections/acme/environment', read)
    expect([status, body, headers.get('x-jetty-warnings')]).toEqual([200, read, null])
  })

  test('an empty patch, and one that clears, are neither', async () => {
    for (const body of [{}, { environment_variables: null }]) {
      expect((await call('PATCH', '/collections/acme/environment', body)).status).toBe(200)
    }
  })

  test.each(['run', 'run-sync'])('parameters of %s in JSON without init_params', async (path) => {
    const { status, body } = await call('POST', `/${path}/acme/echo`, { text: 'x' })
    expect([status, body.detail[0].msg]).toEqual([
      422,
      '"text" is not known here, and init_params is missing. Did you mean {"init_params": {"text": …}}?',
    ])
  })
})

test('a list of runs is empty before the first one, also where a first ingest would make the task', async () => {
  const { status, body } = await call('GET', '/db/trajectories/acme/eco?limit=5')
  expect([status, body]).toEqual([
    200,
    {
      trajectories: [],
      total: 0,
      page: 1,
      limit: 5,
      has_more: false,
      next_cursor: null,
      warnings: [
        {
          field: 'task',
          message: "Collection 'acme' has no task 'eco' yet, and no run of it. Did you mean \"echo\"?",
          did_you_mean: 'echo',
        },
      ],
    },
  ])
  expect((await call('GET', '/db/trajectories/nowhere/echo')).status).toBe(404)
  expect((await call('GET', '/db/trajectories/acme/no%20name')).status).toBe(404)
  await jetty.call('POST', '/api/v1/trajectories/acme/graded/ingest', { input: 1, output: 2 })
  expect((await call('GET', '/db/trajectories/acme/graded')).body).toMatchObject({ total: 1 })
})

describe('a member of a jetty block that is not known', () => {
  const chat = async (jetty_: Body, more: Body = {}) => {
    const sent = { model: 'scripted/echo', messages: [{ role: 'user', content: 'Hi' }], ...more }
    const block = { collection: 'acme', ...jetty_ }
    const { status, body, headers } = await jetty.call('POST', '/v1/chat/completions', { ...sent, jetty: block })
    return [status, body.warnings, headers.get('x-jetty-warnings')]
  }

  test('stands in a header of a plain call, in one piece and as a stream', async () => {
    const said = 'Unknown member "colection" was ignored. Did you mean "collection"?'
    expect(await chat({ runbook: false, colection: 'x' })).toEqual([200, undefined, said])
    expect(await chat({ runbook: false, colection: 'x' }, { stream: true })).toEqual([200, undefined, said])
  })

  test('gives none where clients name a task and an agent for a plain call', async () => {
    expect(await chat({ runbook: false, task: 'noted', agent: 'claude-code', file_paths: [] })).toEqual([
      200,
      undefined,
      null,
    ])
  })

  test('stands in a header of a refused runbook as well', async () => {
    const [status, , header] = await chat({ task: 'echo', tempalte_variables: {} })
    expect([status, header]).toEqual([
      422,
      'Unknown member "tempalte_variables" was ignored. Did you mean "template_variables"?',
    ])
  })
})

test('paths with empty segments, and files at the bare origin, lead where they should', async () => {
  expect((await jetty.call('GET', '//api/v1/collections/acme')).body.name).toBe('acme')
  expect((await jetty.call('GET', '/api//v1/tasks//acme/echo//')).body.name).toBe('echo')
  const asked = {
    model: 'scripted/echo',
    messages: [{ role: 'user', content: 'Hi' }],
    jetty: { collection: 'acme', runbook: false },
  }
  for (const path of ['//v1/chat/completions', '/chat//completions']) {
    expect((await jetty.call('POST', path, asked)).status).toBe(200)
  }
  const sent = form({ collection: 'acme', purpose: 'user_data' })
  sent.append('file', new Blob(['bytes']), 'a.txt')
  const made = await jetty.call('POST', '/files', sent)
  expect([made.status, made.body.object]).toEqual([200, 'file'])
  expect((await jetty.call('GET', '/files')).body.data.map(({ id }: Body) => id)).toContain(made.body.id)
  expect((await jetty.call('GET', `/files/${made.body.id}`)).body.filename).toBe('a.txt')
  expect((await jetty.call('GET', `/files/${made.body.id}/content`)).body).toBe('bytes')
  expect((await jetty.call('DELETE', `/files/${made.body.id}`)).body.deleted).toBe(true)
  for (const path of ['/models', '/embeddings', '/responses', '/chat/completions']) {
    expect((await jetty.call('OPTIONS', path)).status).toBe(204)
  }
})

describe('a parameter that the task does not have', () => {
  const named = {
    did_you_mean: 'text',
    message: expect.stringMatching(/has no parameter 'txet'.*did you mean 'text'\?/),
  }

  test('is named in the answer to a run, however it is started', async () => {
    const init_params = { txet: 'x', input: 'sent by graders', file_paths: [] }
    const started = await call('POST', '/run/acme/echo', form({ init_params: JSON.stringify(init_params) }))
    expect(started.body.warnings).toMatchObject([{ field: 'init_params.txet', ...named }])
    expect(await warningsOf('POST', '/run-sync/acme/echo', { init_params: { txet: 1 } })).toMatchObject([named])
    const rerun = `/trajectory/acme/echo/${started.body.trajectory_id}/rerun`
    expect(await warningsOf('POST', rerun, { init_params: { txet: 1 } })).toMatchObject([named])
    expect(await warningsOf('POST', '/run-sync/acme/echo', { init_params: { text: 1 } })).toEqual([])
  })

  test('is named in the answers of MCP', async () => {
    const asked = { name: 'run-workflow', arguments: { collection: 'acme', task: 'echo', init_params: { txet: 1 } } }
    const answer = await jetty.call('POST', '/mcp', { jsonrpc: '2.0', id: 1, method: 'tools/call', params: asked })
    expect(JSON.stringify(answer.body)).toContain("has no parameter 'txet'")
  })

  test('is named once for all items of a batch, and of an evaluation, which takes ids and expected results', async () => {
    const items = [{ txet: 'a' }, { txet: 'b' }, { text: 'c' }]
    expect(await warningsOf('POST', '/run-batch/acme/echo', { items })).toMatchObject([
      { field: 'items.txet', ...named },
    ])
    const authorization = `Bearer ${jetty.server.adminToken}`
    const headers = { authorization, 'content-type': 'application/json', 'idempotency-key': 'misspelt-column' }
    const sent = { method: 'POST', headers, body: JSON.stringify({ items }) }
    const repeated = async () => (await fetch(`${jetty.url}/api/v1/run-batch/acme/echo`, sent)).json() as Promise<Body>
    const first = await repeated()
    expect([first.warnings.length, await repeated()]).toEqual([1, first])
    const judges = [{ name: 'good', instruction: 'Is it?', binary: true, model: 'scripted/judge' }]
    const judged = items.map((item, id) => ({ ...item, id, expected: 'x' }))
    expect(await warningsOf('POST', '/evaluations/acme/echo', { items: judged, judges })).toMatchObject([named])
  })
})
