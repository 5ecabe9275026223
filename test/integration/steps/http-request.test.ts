// http_request through the front door: real sockets, and a service that repeats what it is told.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const key = 'key-unmistakable-http-steps-9917'
const password = 'password-unmistakable-http-steps'

interface Asked {
  method: string
  path: string
  headers: Record<string, string | string[] | undefined>
  body: string
}
let asked: Asked[] = []
let failures = 0

const serve = async (request: IncomingMessage, response: ServerResponse, elsewhere: string) => {
  const body = (await buffer(request)).toString('latin1')
  const url = new URL(request.url ?? '/', 'http://x')
  asked.push({ method: request.method ?? '', path: request.url ?? '', headers: request.headers, body })
  const json = (value: unknown, headers = {}) =>
    response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
  const routes: Record<string, () => unknown> = {
    '/echo': () => json({ headers: request.headers, query: url.search, body }),
    '/away': () => response.writeHead(307, { location: `${elsewhere}/echo` }).end(),
    '/file': () =>
      response
        .writeHead(200, { 'content-type': 'text/csv', 'content-disposition': 'attachment; filename=report.csv' })
        .end(`a,b\n1,${request.headers['x-key']}\n`),
    '/orders': () => {
      const page = Number(url.searchParams.get('page') ?? 1)
      const next = `</orders?page=${page + 1}>; rel="next"`
      json([{ id: page }], page < 3 ? { link: next } : {})
    },
    '/busy': () => {
      if (failures-- > 0) response.writeHead(503, { 'retry-after': '0' }).end('later')
      else json({ done: true })
    },
    '/wait': () => response.writeHead(429, { 'retry-after': '3600' }).end('in an hour'),
    '/denied': () => response.writeHead(403).end(`not for ${request.headers['x-key']}`),
    '/bomb': () => response.writeHead(200, { 'content-type': 'application/json' }).end('['.repeat(200_000)),
  }
  const route = routes[url.pathname]
  if (route) route()
  else response.writeHead(404).end(`nothing at ${url.pathname}`)
}

const listen = async (elsewhere: () => string): Promise<{ server: Server; url: string }> => {
  const server = createServer((request, response) => void serve(request, response, elsewhere()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

let service: { server: Server; url: string }
let other: { server: Server; url: string }
let jetty: TestServer
beforeAll(async () => {
  other = await listen(() => '')
  service = await listen(() => other.url)
  jetty = await startTestServer({
    env: { JETTY_ALLOW_PRIVATE_NETWORK: [service.url, other.url].map((url) => new URL(url).host).join() },
  })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { API_TOKEN: key, PASSWORD: password },
  })
})
beforeEach(() => {
  asked = []
  failures = 0
})
afterAll(async () => {
  await jetty?.close()
  service?.server.close()
  other?.server.close()
})

const run = (config: object, more: object = {}): Promise<Body> =>
  jetty.run({
    step_configs: { ask: { activity: 'http_request', ...config }, ...more },
    steps: ['ask', ...Object.keys(more)],
  })
const at = (path: string) => `${service.url}${path}`

it('the example of the catalogue reads all pages, with the token of the environment', async () => {
  const { body } = await jetty.call('GET', '/api/v1/step-templates/http_request')
  const done = await run({ ...body.example, url: at('/orders') })
  expect([done.status, done.error]).toEqual(['completed', null])
  expect(done.steps.ask.outputs).toMatchObject({ items: [{ id: 1 }, { id: 2 }, { id: 3 }], pages: 3, next_url: null })
  expect(asked.map(({ headers }) => headers.authorization)).toEqual(Array(3).fill(`Bearer ${key}`))
  expect(asked[0]?.path).toBe('/orders?status=open&limit=100')
  expect(done.steps.ask.inputs.auth).toBe('***')
})

describe('a secret', () => {
  it('is sent, and recorded nowhere, also where the service repeats it', async () => {
    const done = await run({
      url: at('/echo'),
      query: { key_path: 'env.API_TOKEN' },
      headers: { 'X-Key_path': 'env.API_TOKEN' },
      auth: { type: 'basic', username: 'me', password_path: 'env.PASSWORD' },
      body: { token_path: 'env.API_TOKEN' },
    })
    expect(done.status).toBe('completed')
    const basic = Buffer.from(`me:${password}`).toString('base64')
    expect(asked[0]).toMatchObject({
      path: `/echo?key=${key}`,
      headers: { 'x-key': key, authorization: `Basic ${basic}` },
      body: `{"token":"${key}"}`,
    })
    for (const secret of [key, password]) expect(JSON.stringify(done)).not.toContain(secret)
    expect(JSON.stringify(done)).not.toContain(basic.slice(8, -8))
  })

  it('is struck out of files and of failures', async () => {
    const headers = { 'X-Key_path': 'env.API_TOKEN' }
    const done = await run({ url: at('/file'), response: 'file', headers })
    const { path } = done.steps.ask.outputs.file
    expect(path).toMatch(/report\.csv$/)
    expect((await jetty.call('GET', `/api/v1/file/${path}`)).body).toBe('a,b\n1,***\n')
    const failed = await run({ url: at('/denied'), headers })
    expect(failed.error).toBe(`Step 'ask' failed: GET ${service.url}/denied was answered with 403: not for ***`)
  })

  it('does not follow a redirect to another origin, whatever its header is called', async () => {
    const done = await run({
      url: at('/away'),
      headers: { 'X-Odd_path': 'env.PASSWORD', Accept: 'application/json' },
      auth: { type: 'header', name: 'X-Key', value_path: 'env.API_TOKEN' },
    })
    expect(done.steps.ask.outputs).toMatchObject({ status_code: 200, url: `${other.url}/echo` })
    expect(asked[0]?.headers).toMatchObject({ 'x-odd': password, 'x-key': key })
    expect(asked[1]?.headers).toMatchObject({ accept: 'application/json' })
    for (const name of ['x-odd', 'x-key']) expect(asked[1]?.headers).not.toHaveProperty(name)
  })

  it('does not leave with a body: a redirect to another origin that would get it fails the step', async () => {
    const body = { token_path: 'env.API_TOKEN' }
    const failed = await run({ url: at('/away'), method: 'PUT', body })
    expect(failed.error).toContain(`redirects to another origin, ${other.url}, which would get the body`)
    expect(asked.map(({ path }) => path)).toEqual(['/away'])

    asked = []
    const done = await run({ url: at('/away'), method: 'PUT', body, redirect_without_body: true })
    expect(done.status).toBe('completed')
    expect(asked).toMatchObject([
      { path: '/away', body: JSON.stringify({ token: key }) },
      { path: '/echo', method: 'PUT', body: '' },
    ])
    expect(asked[1]?.headers).not.toHaveProperty('content-type')
  })
})

describe('retries', () => {
  it.each([
    ['a GET', {}, 2, 'completed'],
    ['a POST with a key', { body: { a: 1 }, idempotency_key: true }, 2, 'completed'],
    ['a POST without one', { body: { a: 1 } }, 1, 'failed'],
  ])('%s after a 503', async (_, given, count, status) => {
    failures = 1
    const done = await run({ url: at('/busy'), ...given })
    expect([done.status, asked.length]).toEqual([status, count])
    const keys = new Set(asked.map(({ headers }) => headers['idempotency-key']))
    expect(keys.size).toBe(1)
  })

  it('a service that asks for more time than the step has is not asked again', async () => {
    const done = await run({ url: at('/wait') })
    expect(done.error).toMatch(/was answered with 429: in an hour$/)
    expect(asked).toHaveLength(1)
  })
})

describe('hostile input', () => {
  it.each([
    [{ headers: { 'X-A_path': 'init_params.evil' } }, /parameter 'headers\.X-A' .*no line breaks/],
    [{ auth: { type: 'bearer', token_path: 'init_params.evil' } }, /parameter 'auth\.token' .*no line breaks/],
    [{ method_path: 'init_params.evil' }, /parameter 'method' .*a word such as GET/],
    [{ url: 'http://169.254.169.254/latest' }, /private, local or reserved address/],
    [{ url: 'file:///etc/passwd' }, /only http and https/],
  ])('%j is refused before anything is sent', async (given, message) => {
    const done = await jetty.run({
      init_params: { evil: 'x\r\nX-Evil: 1' },
      step_configs: { ask: { activity: 'http_request', url: at('/echo'), ...given } },
      steps: ['ask'],
    })
    expect(done.error).toMatch(message)
    expect(asked).toEqual([])
  })

  it('JSON that is nested without end is named', async () => {
    expect((await run({ url: at('/bomb') })).error).toMatch(/nested deeper than 512 levels/)
  })

  it('a dry check finds what is written wrongly', async () => {
    const workflow = (ask: object) => ({ step_configs: { ask: { activity: 'http_request', ...ask } }, steps: ['ask'] })
    const check = async (ask: object) =>
      (await jetty.call('POST', '/api/v1/workflows/check', { collection: 'acme', workflow: workflow(ask) })).body
    expect(JSON.stringify(await check({ url: at('/'), headers: { 'X-A': 'b\r\nc' } }))).toContain('no line breaks')
    expect(JSON.stringify(await check({ url: at('/'), expect_status: ['ok'] }))).toContain('expect_status')
    expect(JSON.stringify(await check({ uri: at('/'), requestMethod: 'GET' }))).toMatch(/use 'url'.*use 'method'/)
  })
})

it('a replay asks nobody, and a cached result is used again', async () => {
  const config = { url: at('/orders'), auth: { type: 'bearer', token_path: 'env.API_TOKEN' }, options: { cache: true } }
  const first = await run(config)
  const again = await run(config)
  expect(again.steps.ask.origin).toMatchObject({ kind: 'cache' })
  const { task, trajectory_id: id } = first
  const answer = await jetty.call('POST', `/api/v1/trajectory/acme/${task}/${id}/rerun`, { mode: 'replay' })
  const replayed = await jetty.until(task, answer.body.trajectory_id, (one) => one.ended !== null)
  expect(replayed.steps.ask.outputs).toEqual(first.steps.ask.outputs)
  expect(asked).toHaveLength(1)
})
