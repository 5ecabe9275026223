import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { builtProgram } from '../../shared.ts'
import { connectHttp, connectStdio, type McpClient, transports } from './client.ts'

let jetty: TestServer
let reader: string
let task: string
const gate = {
  step_configs: { ask: { activity: 'wait_for_approval', message: 'May it go?' } },
  steps: ['ask'],
}
const long = {
  init_params: { text: '' },
  step_configs: { say: { activity: 'text_echo', text_path: 'init_params.text' } },
  steps: ['say'],
}
const steps = ['one', 'two', 'three']
const slow = {
  step_configs: Object.fromEntries(steps.map((step) => [step, { activity: 'sleep', seconds: 0.4 }])),
  steps,
}

beforeAll(async () => {
  jetty = await startTestServer()
  const { body } = await jetty.call('POST', '/api/v1/api-keys', {
    ...{ name: 'reader', collection_name: 'acme', access_level: 'READ' },
  })
  reader = body.api_key
  task = await jetty.task(long)
  await builtProgram() // what builds it takes longer than a test
}, 240_000)
afterAll(() => jetty?.close())

const post = (body: unknown, headers: Record<string, string> = {}, token = jetty.server.adminToken) =>
  fetch(`${jetty.url}/mcp`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' }

const startWaiting = async () => {
  const name = await jetty.task(gate)
  const { trajectory_id } = await jetty.start(name)
  await jetty.until(name, trajectory_id, ({ waiting }: Body) => waiting !== null)
  return { collection: 'acme', task: name, trajectory_id }
}

const withClient = async (connected: Promise<McpClient>, work: (mcp: McpClient) => Promise<void>): Promise<void> => {
  const mcp = await connected
  await work(mcp).finally(() => mcp.close())
}

describe.each(Object.entries(transports))('a client over %s', (_, connect) => {
  it('sees tools that only read, with a key that may only read', () =>
    withClient(connect(jetty, { token: reader }), async ({ client, text }) => {
      const { tools } = await client.listTools()
      const names = tools.map(({ name }) => name)
      expect(names).toEqual(expect.arrayContaining(['list-tasks', 'explain-run', 'wait-for-run', 'validate-workflow']))
      expect(tools.filter(({ annotations }) => !annotations?.readOnlyHint)).toEqual([])
      expect(names).not.toContain('run-workflow')
      await expect(text('run-workflow', { collection: 'acme', task })).rejects.toThrow('this key may only read')
      expect(await text('get-task', { collection: 'acme', task })).toContain('text_echo')
    }))

  it('is told the name that it meant, and the arguments of a tool', () =>
    withClient(connect(jetty), async ({ text }) => {
      await expect(text('list-task')).rejects.toThrow('No tool list-task: did you mean list-tasks?')
      const wrong = await text('get-task', { colection: 'acme', task: 5 })
      expect(wrong).toMatch(
        /Wrong arguments for get-task: .*collection.*task.*unknown colection \(did you mean collection\?\)/,
      )
      expect(wrong).toContain('It takes: collection, task')
    }))

  it('is told the next call when something is not found', () =>
    withClient(connect(jetty), async ({ text }) => {
      expect(await text('get-task', { collection: 'acme', task: 'none' })).toBe(
        "Jetty API error 404: Task 'none' in collection 'acme' not found\n" +
          'Check the names in the path, and the collections of the token with `jetty whoami`.\n' +
          'Next: list-tasks {"collection":"acme"}',
      )
      expect(await text('explain-run', { collection: 'acme', task, trajectory_id: 'ffffffff' })).toContain(
        `Next: find-runs {"collection":"acme","task":"${task}"}`,
      )
      expect(await text('get-collection', { collection: 'none' })).toContain('Next: list-collections {}')
    }))

  it('gets long results shortened, and the rest in parts', () =>
    withClient(connect(jetty), async ({ use, text }) => {
      const whole = 'äöü€'.repeat(60_000)
      const { trajectory_id } = await use('run-and-wait', { collection: 'acme', task, init_params: { text: whole } })
      const run = { collection: 'acme', task, trajectory_id }
      const shown = await text('get-trajectory', run)
      expect(shown.length).toBeLessThan(31_000)
      expect(shown).toMatch(/Shortened to 30000 characters. The rest: read-step \{/)
      let read = ''
      for (let offset: number | undefined = 0; offset !== undefined; ) {
        const part: Body = await use('read-step', { ...run, step: 'say', of: 'outputs', member: 'text', offset })
        read += part.text
        offset = part.next_offset
      }
      expect(read).toBe(whole)
    }))

  it('hears how far a long call is', () =>
    withClient(connect(jetty), async ({ client }) => {
      const name = await jetty.task(slow)
      const told: { progress: number; total?: number | undefined; message?: string | undefined }[] = []
      const { content } = (await client.callTool(
        { name: 'run-and-wait', arguments: { collection: 'acme', task: name } },
        undefined,
        { onprogress: (one) => told.push(one) },
      )) as Body
      expect(JSON.parse(content[0].text)).toMatchObject({ status: 'completed' })
      expect(told.length).toBeGreaterThan(1)
      expect(told.map(({ progress }) => progress)).toEqual(
        told.map(({ progress }) => progress).toSorted((a, b) => a - b),
      )
      expect(told.at(-1)).toMatchObject({ total: 3, message: expect.stringContaining('step') })
    }))

  it('cancels a call, and the run goes on', () =>
    withClient(connect(jetty), async ({ client }) => {
      const run = await startWaiting()
      const cancel = new AbortController()
      const name = await jetty.task({ step_configs: { wait: { activity: 'sleep', seconds: 30 } }, steps: ['wait'] })
      const call = client.callTool({ name: 'run-and-wait', arguments: { collection: 'acme', task: name } }, undefined, {
        signal: cancel.signal,
      })
      const isCut = expect(call).rejects.toThrow()
      const runs = async () => (await jetty.call('GET', `/api/v1/runs/acme?task=${name}`)).body.runs
      await expect.poll(runs).toMatchObject([{ status: 'running' }])
      cancel.abort('enough')
      await isCut
      const [{ status, trajectory_id: id }] = await runs()
      expect(status).toBe('running')
      await client.callTool({ name: 'list-approvals', arguments: { collection: 'acme' } }) // it still answers
      await jetty.call('POST', `/api/v1/trajectory/acme/${run.task}/statuses`, { [run.trajectory_id]: 'cancelled' })
      await jetty.call('POST', `/api/v1/trajectory/acme/${name}/statuses`, { [id]: 'cancelled' })
    }))

  it('asks the person for a decision where the client has forms, whatever the model says', async () => {
    const asked: string[] = []
    const answer = (message: string) => {
      asked.push(message)
      return { action: 'accept' as const, content: { decision: 'reject', comment: 'Not today' } }
    }
    await withClient(connect(jetty, { answer }), async ({ use }) => {
      const run = await startWaiting()
      const decided = await use('decide-approval', { ...run, decision: 'approve' })
      expect(decided).toMatchObject({ step: 'ask', decision: 'reject', comment: 'Not today' })
      expect(asked).toEqual(['Step ask waits for your decision: May it go?'])
    })
  })

  it('leaves the step waiting when the person closes the form, and names the question where there is none', async () => {
    const run = await startWaiting()
    await withClient(connect(jetty, { answer: () => ({ action: 'cancel' }) }), async ({ text }) => {
      expect(await text('decide-approval', { ...run, decision: 'approve' })).toContain(
        'The person did not decide (cancel)',
      )
    })
    await withClient(connect(jetty), async ({ text, use }) => {
      expect(await text('decide-approval', run)).toContain('Step ask asks: May it go?')
      expect(await use('decide-approval', { ...run, decision: 'approve' })).toMatchObject({ decision: 'approve' })
      expect(await text('decide-approval', { ...run, decision: 'approve' })).toContain('No step of the run waits')
    })
  })

  it('reads tasks, runs and the documentation as resources', () =>
    withClient(connect(jetty), async ({ client }) => {
      const { resources, nextCursor } = await client.listResources()
      const uris = resources.map(({ uri }) => uri)
      expect(uris).toEqual(expect.arrayContaining(['jetty://docs/workflows', `jetty://tasks/acme/${task}`]))
      const { groups } = (await jetty.call('GET', '/api/v1/docs')).body
      const served = groups.flatMap(({ pages }: Body) => pages.map(({ page }: Body) => `jetty://docs/${page}`))
      expect(uris.filter((uri) => uri.startsWith('jetty://docs/'))).toEqual(served)
      const read = async (uri: string) => ((await client.readResource({ uri })).contents[0] as Body).text as string
      expect(await read('jetty://docs/workflows')).toMatch(/^# /)
      expect(await read('jetty://docs/reference/api')).toMatch(/Shortened from \d+ characters.*reference\/api\.md/)
      const waiting = await startWaiting()
      const uri = `jetty://runs/acme/${waiting.task}/${waiting.trajectory_id}`
      const more = await client.listResources({ cursor: nextCursor })
      expect(more.resources.map(({ uri }) => uri)).toContain(uri)
      expect(await read(uri)).toMatch(/^\{"status":"running"/)
      await expect(client.listResources({ cursor: 'elsewhere' })).rejects.toThrow('Unknown cursor')
      expect(await read(`jetty://tasks/acme/${task}`)).toContain('text_echo')
      for (const uri of [
        'jetty://docs/..%2fpackage',
        'jetty://docs/../api/v1/collections',
        'jetty://docs/nothing',
        'jetty://tasks/acme/none',
        'file:///etc',
      ]) {
        await expect(read(uri)).rejects.toThrow('No resource')
      }
    }))
})

describe('POST /mcp', () => {
  it.each([
    ['no key', list, {}, '', 401],
    ['a wrong key', list, {}, 'mlc_wrong', 401],
    ['a page of another server', list, { origin: 'https://evil.example' }, undefined, 403],
    ['an unknown session', list, { 'mcp-session-id': '../../x' }, undefined, 404],
    ['an unknown version', list, { 'mcp-protocol-version': '1999-01-01' }, undefined, 400],
    ['no JSON', '{', {}, undefined, 400],
    ['nothing', '', {}, undefined, 400],
    ['no JSON-RPC', { hello: 1 }, {}, undefined, 400],
    ['an empty list', [], {}, undefined, 400],
    ['a long list', Array.from({ length: 51 }, (_, id) => ({ ...list, id })), {}, undefined, 400],
    ['one id twice', [list, list], {}, undefined, 400],
  ])('refuses %s', async (_, body, headers, token, status) => {
    const answer = await post(body, headers, token)
    const told = (await answer.json()) as Body
    expect([answer.status, told.jsonrpc, told.id, told.detail === undefined]).toEqual([status, '2.0', null, false])
    const code = body === '{' || body === '' ? -32700 : status === 400 ? -32600 : -32000
    expect(told.error).toEqual({ code, message: expect.any(String) })
  })

  it('answers without a session, a list of messages, and an unknown method', async () => {
    const answers = (await (await post([list, { jsonrpc: '2.0', id: 'x', method: 'what' }])).json()) as Body[]
    expect(answers.map(({ id, error }) => [id, error?.code]).sort()).toEqual([
      [1, undefined],
      ['x', -32601],
    ])
    expect((await post({ jsonrpc: '2.0', method: 'notifications/initialized' })).status).toBe(202)
    expect((await post({ jsonrpc: '2.0', id: 7, result: {} })).status).toBe(202)
  })

  it('offers no stream of its own, and ends sessions', async () => {
    const headers = { authorization: `Bearer ${jetty.server.adminToken}` }
    const get = await fetch(`${jetty.url}/mcp`, { headers: { ...headers, accept: 'text/event-stream' } })
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'DELETE, POST, OPTIONS'])
    expect((await fetch(`${jetty.url}/mcp`, { method: 'DELETE', headers })).status).toBe(204)
  })

  it('turns away more calls of a key than it may have under way, and forgets those whose client has left', async () => {
    const run = await startWaiting()
    const name = await jetty.task({ step_configs: { wait: { activity: 'sleep', seconds: 60 } }, steps: ['wait'] })
    const { trajectory_id } = await jetty.start(name)
    const wait = (id: number) => ({
      ...{ jsonrpc: '2.0', id, method: 'tools/call' },
      params: { name: 'wait-for-run', arguments: { collection: 'acme', task: name, trajectory_id } },
    })
    const left = new AbortController()
    const open = Array.from({ length: 32 }, (_, id) =>
      fetch(`${jetty.url}/mcp`, {
        method: 'POST',
        signal: left.signal,
        headers: { authorization: `Bearer ${reader}`, 'content-type': 'application/json' },
        body: JSON.stringify(wait(id)),
      }).catch(() => undefined),
    )
    await expect.poll(async () => (await post(wait(99), {}, reader)).status, { timeout: 20_000 }).toBe(503)
    expect((await post(list)).status).toBe(200) // other keys are not concerned
    left.abort()
    await Promise.all(open)
    await expect.poll(async () => (await post(list, {}, reader)).status).toBe(200)
    for (const [of, id] of [
      [name, trajectory_id],
      [run.task, run.trajectory_id],
    ]) {
      await jetty.call('POST', `/api/v1/trajectory/acme/${of}/statuses`, { [id]: 'cancelled' })
    }
  })
})

describe('jetty mcp', () => {
  it('keeps to the folder that it was started in', () =>
    withClient(connectStdio(jetty, { folder: '/tmp' }), async ({ text }) => {
      expect(await text('upload-local-file', { collection: 'acme', local_path: '/etc/passwd' })).toContain(
        '/etc/passwd is not below /tmp',
      )
      expect(await text('save-file', { path: 'acme/x', save_to: '../etc/x' })).toMatch(/is not below|not found/)
    }))

  it('is a client like any other over HTTP', () =>
    withClient(connectHttp(jetty), async ({ client }) => {
      expect(client.getServerVersion()).toMatchObject({ name: 'jetty' })
      expect(client.getInstructions()).toContain('Begin with list-collections')
    }))
})

it('a line over stdin that is no message is answered as a JSON-RPC error, and the next one as usual', async () => {
  const env = { PATH: process.env.PATH ?? '', HOME: '/nonexistent', JETTY_API_URL: jetty.url }
  const child = spawn(process.execPath, [await builtProgram(), 'mcp'], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const answer = async (line: string): Promise<Body> => {
    child.stdin.write(`${line}\n`)
    return JSON.parse((await lines.next()).value)
  }
  expect(await answer('{"jsonrpc":"2.0",')).toMatchObject({ jsonrpc: '2.0', id: null, error: { code: -32700 } })
  expect(await answer('{"hello":1}')).toMatchObject({ jsonrpc: '2.0', id: null, error: { code: -32600 } })
  expect(await answer('{"jsonrpc":"2.0","id":1,"method":"ping"}')).toEqual({ jsonrpc: '2.0', id: 1, result: {} })
  child.stdin.end()
  await once(child, 'exit')
})
