import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { makeTestContext, runActivity } from '../../../test/activity-context.ts'
import { AppError } from '../../lib/errors.ts'
import type { OutgoingRequest } from '../activity.ts'
import { headersSchema } from './headers.ts'
import { httpRequest } from './http-request.ts'
import { nextLink } from './pagination.ts'

interface Answer {
  status?: number
  body?: string | Uint8Array
  headers?: Record<string, string>
}

const serving = (answers: (url: string, count: number) => Answer | AppError, interrupted = false) => {
  const asked: (OutgoingRequest & { url: string })[] = []
  const context = makeTestContext({
    interrupted,
    files: { 'acme/in.bin': { content_type: 'application/x-thing', body: 'abc', name: 'in.bin' } },
    fetch: async (url, request = {}) => {
      asked.push({ url, ...request })
      const answer = answers(url, asked.length)
      if (answer instanceof AppError) throw answer
      const { status = 200, body = '', headers = {} } = answer
      const bytes = Buffer.from(body)
      return { status, headers, url, bytes: async () => bytes, text: async () => bytes.toString() }
    },
  })
  return { context, asked }
}
const json = (value: unknown): Answer => ({
  body: JSON.stringify(value),
  headers: { 'content-type': 'application/json' },
})
const url = 'https://api.example.com/things'
const failure = (given: object, context: ReturnType<typeof serving>['context']) =>
  runActivity(httpRequest, { url, ...given }, context).catch((error) => error)

describe('what is sent', () => {
  it.each<[string, object, object]>([
    ['a GET without a body', {}, { method: 'GET' }],
    ['JSON', { body: { a: [1] } }, { method: 'POST', body: '{"a":[1]}', type: 'application/json' }],
    ['JSON that is written out', { body: ' {"a": 1}' }, { body: ' {"a": 1}', type: 'application/json' }],
    ['a text', { body: 'hi' }, { body: 'hi', type: 'text/plain; charset=utf-8' }],
    ['a form', { form: { a: 'x y', b: [1, 2] } }, { body: 'a=x+y&b=1&b=2', type: 'application/x-www-form-urlencoded' }],
    ['a file', { body_file: 'acme/in.bin', method: 'put' }, { method: 'PUT', type: 'application/x-thing' }],
    ['a type of its own', { body: 'a,b', headers: { 'Content-Type': 'text/csv' } }, { body: 'a,b', type: 'text/csv' }],
  ])('%s', async (_, given, { type, ...expected }: { type?: string }) => {
    const { context, asked } = serving(() => json({}))
    await runActivity(httpRequest, { url, ...given }, context)
    expect(asked).toMatchObject([expected])
    expect(asked[0]?.headers?.['content-type']).toBe(type)
  })

  it('a multipart form whose names cannot end their header', async () => {
    const { context, asked } = serving(() => json({}))
    const given = { form: { 'a"\r\nx: y': 'v' }, files: { upload: 'acme/in.bin' } }
    await runActivity(httpRequest, { url, ...given }, context)
    const [boundary] = /jetty-[0-9a-f]{32}/.exec(asked[0]?.headers?.['content-type'] ?? '') ?? []
    expect(Buffer.from(asked[0]?.body ?? '').toString()).toBe(
      [
        `--${boundary}\r\ncontent-disposition: form-data; name="a%22%0D%0Ax: y"\r\n\r\nv\r\n`,
        `--${boundary}\r\ncontent-disposition: form-data; name="upload"; filename="in.bin"\r\ncontent-type: application/x-thing\r\n\r\nabc\r\n`,
        `--${boundary}--\r\n`,
      ].join(''),
    )
  })

  it('query parameters, lists repeated', async () => {
    const { context, asked } = serving(() => json({}))
    await runActivity(
      httpRequest,
      { url: `${url}?a=1`, query: { b: ['x', 'y&z'], c: undefined, d: { e: 1 } } },
      context,
    )
    expect(asked[0]?.url).toBe(`${url}?a=1&b=x&b=y%26z&d=%7B%22e%22%3A1%7D`)
  })

  it.each([
    [{ type: 'bearer', token: 't-1' }, { authorization: 'Bearer t-1' }],
    [{ type: 'basic', username: 'u', password: 'pä' }, { authorization: 'Basic dTpww6Q=' }],
    [{ type: 'header', name: 'X-Key', value: 'k' }, { 'x-key': 'k' }],
  ])('a credential %j, which another origin never gets', async (auth, headers) => {
    const { context, asked } = serving(() => json({}))
    await runActivity(httpRequest, { url, auth, headers: { 'X-Mine': '1', Accept: 'a/b' } }, context)
    expect(asked[0]?.headers).toEqual({ 'x-mine': '1', accept: 'a/b', ...headers })
    expect(asked[0]?.credentialHeaders).toEqual(['x-mine', ...Object.keys(headers)])
  })

  it('a credential in the query, which is not recorded', async () => {
    const { context, asked } = serving((at) => ({ ...json({}), headers: { link: `<${at}&p=2>, <?key=hidden word>` } }))
    const auth = { type: 'query', name: 'key', value: 'hidden word' }
    expect(await runActivity(httpRequest, { url, auth, query: { a: 1 } }, context)).toMatchObject({
      url: `${url}?a=1`,
      headers: { link: `<${url}?a=1&key=***&p=2>, <?key=***>` },
    })
    expect(asked[0]?.url).toBe(`${url}?a=1&key=hidden+word`)
  })

  it.each([
    { 'x-a': 'b\r\nx-evil: 1' },
    { 'x-a': 'b\nc' },
    { 'x-a': 'b\0' },
    { 'x-a': 'snow ☃' },
    { 'x-a\r\nb': 'c' },
    { 'x a': 'c' },
    { '': 'c' },
    { Host: 'other' },
    { 'Transfer-Encoding': 'chunked' },
    { 'content-length': 5 },
  ])('refuses the headers %j', (headers) => {
    expect(z.safeParse(headersSchema, headers).success).toBe(false)
  })

  it('refuses two bodies', async () => {
    const { context } = serving(() => json({}))
    expect(await failure({ body: 'a', form: { b: 1 } }, context)).toMatchObject({ code: 'parameter_invalid' })
  })
})

describe('what comes back', () => {
  it.each<[string, Answer, object]>([
    ['JSON', json({ a: 1 }), { body: { a: 1 }, file: null }],
    ['JSON by another name', { body: '[1]', headers: { 'content-type': 'application/hal+json' } }, { body: [1] }],
    ['a text', { body: 'hällo', headers: { 'content-type': 'text/plain' } }, { body: 'hällo' }],
    ['nothing', { status: 204 }, { body: null, status_code: 204 }],
    ['headers without cookies', { headers: { 'set-cookie': 'a=b', etag: 'x' } }, { headers: { etag: 'x' } }],
  ])('%s', async (_, answer, expected) => {
    const { context } = serving(() => answer)
    const outputs = await runActivity(httpRequest, { url }, context)
    expect(outputs).toMatchObject({ pages: 1, items: [], next_url: null, ...expected })
    if ('headers' in expected) expect(outputs).toMatchObject({ headers: { etag: 'x' } })
  })

  it.each([
    ['image/png', '', 'things.png'],
    ['application/pdf', `attachment; filename="../../etc/re port.pdf"`, 're port.pdf'],
    ['application/pdf', `attachment; filename*=UTF-8''b%C3%A4r.pdf; filename="x"`, 'bär.pdf'],
    ['application/pdf', 'attachment; filename*=UTF-8%%', 'things.pdf'],
  ])('a %s named by %j becomes the file %s', async (type, disposition, name) => {
    const { context } = serving(() => ({
      body: Uint8Array.of(0, 1, 2),
      headers: { 'content-type': type, 'content-disposition': disposition },
    }))
    expect(await runActivity(httpRequest, { url }, context)).toMatchObject({ body: null, file: { name, size: 3 } })
  })

  it('a large text becomes a file, unless a text is asked for', async () => {
    const large = { body: `"${'x'.repeat(1024 * 1024)}"`, headers: { 'content-type': 'application/json' } }
    const { context } = serving(() => large)
    expect(await runActivity(httpRequest, { url }, context)).toMatchObject({
      body: null,
      file: { name: 'things.json' },
    })
    expect(context.warnings).toEqual([expect.stringContaining('kept as a file')])
    expect(await runActivity(httpRequest, { url, response: 'json' }, context)).toMatchObject({ file: null })
  })

  it.each<[string, Answer, RegExp]>([
    ['a page instead of JSON', { body: '<html>no' }, /is not JSON: <html>no/],
    ['an empty body', {}, /is not JSON: it is empty/],
    ['JSON nested too deeply', { body: '['.repeat(100_000) }, /nested deeper than 512/],
  ])('%s fails the step', async (_, answer, message) => {
    const { context } = serving(() => answer)
    expect(await failure({ response: 'json' }, context)).toMatchObject({
      code: 'upstream_failed',
      message: expect.stringMatching(message),
    })
  })
})

it('reads no value above 32 MiB, which would block the server, but keeps it as a file', async () => {
  const { context } = serving(() => ({ body: Buffer.alloc(32 * 1024 * 1024 + 1, '1') }))
  const given = { max_bytes: 64 * 1024 * 1024 }
  for (const response of ['json', 'text']) {
    expect(await failure({ ...given, response }, context)).toMatchObject({ code: 'too_large' })
  }
  const outputs = await runActivity(httpRequest, { url, ...given, response: 'file' }, context)
  expect(outputs).toMatchObject({ file: { size: 32 * 1024 * 1024 + 1 } })
})

describe('failures', () => {
  it.each<[object, number, boolean]>([
    [{}, 404, false],
    [{}, 302, false],
    [{}, 429, true],
    [{}, 503, true],
    [{}, 501, false],
    [{ method: 'PUT', body: 1 }, 500, true],
    [{ body: 1 }, 503, false],
    [{ method: 'PATCH', body: 1 }, 429, false],
    [{ body: 1, idempotency_key: true }, 503, true],
    [{ body: 1, headers: { 'Idempotency-Key': 'mine' } }, 503, true],
    [{ expect_status: [200] }, 201, false],
  ])('%j answered with %d: trying again %s', async (given, status, retryable) => {
    const { context } = serving(() => ({ status, body: 'because', headers: { 'retry-after': '7' } }))
    const error = await failure({ query: { key: 'hidden' }, ...given }, context)
    expect(error).toMatchObject({ code: 'upstream_failed', retryable })
    expect(error.message).toMatch(new RegExp(`was answered with ${status}: because$`))
    expect(error.message).not.toContain('hidden')
    if (retryable) expect(error.retryAfterSeconds).toBe(7)
  })

  it('a broken connection is worth another try only where repeating is safe', async () => {
    const { context, asked } = serving(() => new AppError('network_failed', 'gone'))
    expect(await failure({}, context)).toMatchObject({ retryable: true })
    expect(await failure({ body: 1 }, context)).toMatchObject({ code: 'network_failed', retryable: false })
    expect(await failure({ body: 1, idempotency_key: true }, context)).toMatchObject({ retryable: true })
    expect(asked[2]?.headers).toMatchObject({ 'idempotency-key': 'run-key/0' })
  })

  it('statuses that are expected succeed', async () => {
    const { context } = serving(() => ({ status: 404, body: 'none' }))
    expect(await runActivity(httpRequest, { url, expect_status: ['2xx', 404] }, context)).toMatchObject({
      status_code: 404,
      body: 'none',
    })
  })

  it('a POST that a crash cut off is not sent again', async () => {
    const { context, asked } = serving(() => json({}), true)
    expect(await failure({ body: 1 }, context)).toMatchObject({ message: expect.stringContaining('may have been') })
    expect(asked).toEqual([])
    await runActivity(httpRequest, { url, body: 1, idempotency_key: true }, context)
    await runActivity(httpRequest, { url }, context)
    expect(asked).toHaveLength(2)
  })
})

describe('pagination', () => {
  const link = (next: string | undefined, value: unknown): Answer => ({
    ...json(value),
    headers: next === undefined ? {} : { link: `<${next}>; rel="next"` },
  })
  const read = (pagination: object, answers: (url: string, count: number) => Answer) => {
    const { context, asked } = serving(answers)
    return { asked, context, outputs: runActivity(httpRequest, { url, pagination }, context) }
  }

  it('by link', async () => {
    const { outputs, asked } = read({ type: 'link' }, (at) =>
      at.endsWith('p=3') ? link(undefined, [3]) : at.endsWith('p=2') ? link('?p=3', [2]) : link(`${url}?p=2`, [1]),
    )
    expect(await outputs).toMatchObject({ items: [1, 2, 3], pages: 3, next_url: null, body: null })
    expect(asked.map((one) => one.url)).toEqual([url, `${url}?p=2`, `${url}?p=3`])
  })

  it.each([null, '', undefined, false])('by cursor, to the end that %j is', async (end) => {
    const { outputs, asked } = read({ type: 'cursor', cursor: 'meta.next', param: 'after', items: 'data' }, (at) =>
      json(at.includes('after=') ? { data: [2], meta: { next: end } } : { data: [1], meta: { next: 'a&b' } }),
    )
    expect(await outputs).toMatchObject({ items: [1, 2], pages: 2, next_url: null })
    expect(asked[1]?.url).toBe(`${url}?after=a%26b`)
  })

  it('by number, to the first empty page', async () => {
    const { outputs, asked } = read({ type: 'page', param: 'offset', start: 0, step: 2, items: 'data' }, (_, count) =>
      json({ data: count < 3 ? [count, count] : [] }),
    )
    expect(await outputs).toMatchObject({ items: [1, 1, 2, 2], pages: 3 })
    expect(asked.map((one) => new URL(one.url).search)).toEqual(['?offset=0', '?offset=2', '?offset=4'])
  })

  it('to a bound, with the page that would come next', async () => {
    const endless = (_: string, count: number) => link(`${url}?p=${count}`, [count, count])
    const pages = read({ type: 'link', max_pages: 3 }, endless)
    expect(await pages.outputs).toMatchObject({ items: [1, 1, 2, 2, 3, 3], pages: 3, next_url: `${url}?p=3` })
    expect(pages.context.warnings).toHaveLength(1)
    const items = read({ type: 'link', max_items: 3 }, endless)
    expect(await items.outputs).toMatchObject({ items: [1, 1, 2], pages: 2, next_url: `${url}?p=1` })
  })

  it.each<[string, object, (url: string, count: number) => Answer, RegExp]>([
    ['at another host', { type: 'link' }, () => link('https://evil.example/x', [1]), /another host/],
    ['at another scheme', { type: 'link' }, () => link('file:///etc/passwd', [1]), /another host/],
    ['in a circle', { type: 'link' }, () => link(url, [1]), /lead back/],
    ['without a list', { type: 'link' }, () => json({ a: 1 }), /is not a list/],
    ['with a list elsewhere', { type: 'link', items: 'a.__proto__' }, () => json({ a: 1 }), /'a.__proto__' in the/],
    [
      'by a cursor to another host',
      { type: 'cursor', cursor: 'n', items: 'd' },
      () => json({ d: [1], n: 'https://evil.example/' }),
      /another host/,
    ],
  ])('%s is refused', async (_, pagination, answers, message) => {
    await expect(read(pagination, answers).outputs).rejects.toThrow(message)
  })

  it('leaves a URL that is none to the request, which names it', async () => {
    const { context, asked } = serving(() => json([]))
    await runActivity(httpRequest, { url: 'nowhere', pagination: { type: 'page' } }, context).catch(() => {})
    expect(asked[0]?.url).toBe('nowhere')
  })

  it('holds max_bytes over all pages', async () => {
    const { context } = serving((_, count) => link(`${url}?p=${count}`, ['x'.repeat(100)]))
    const given = { pagination: { type: 'link', max_pages: 100 }, max_bytes: 250 }
    expect(await failure(given, context)).toMatchObject({ code: 'too_large' })
  })

  it.each([
    ['<a>; rel=next', 'a'],
    ['<a>; rel="prev", <b,c>; title="x, y"; rel="last next"', 'b,c'],
    ['<a>; rel="previous"', undefined],
    ['<a>; title="rel=next"', undefined],
    ['a; rel=next', undefined],
    [undefined, undefined],
    ['<a<b>; rel=next', 'b'],
    [`<${'a'.repeat(20_000)}>; rel=next`, undefined],
  ])('reads %s', (header, next) => {
    expect(nextLink(header)).toBe(next)
  })
})
