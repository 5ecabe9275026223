import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sendRaw } from '../../raw-http.ts'
import { startTestServer, type TestServer } from '../../server.ts'
import { send } from '../../walk/ask.ts'

const page = '<!doctype html><title>Jetty</title><script type="module" src="/assets/index-aaaa1111.js"></script>'
const script = `console.log(${'"the same again",'.repeat(200)})`
const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

const write = (folder: string, files: Record<string, string | Buffer>) => {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
}

let jetty: TestServer
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'jetty-web-'))
  write(folder, {
    'web/index.html': page,
    'web/manifest.json': '{}',
    'web/icon.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>',
    'web/assets/index-aaaa1111.js': script,
    'web/assets/index-aaaa1111.js.gz': gzipSync(script),
    'web/assets/mono-aaaa1111.woff2': Buffer.from([0, 1, 2, 255]),
    'web-before/index.html': 'the page before',
    'web-before/assets/index-aaaa1111.js': 'an older file of the same name',
    'web-before/assets/index-bbbb2222.js': 'of the build before',
  })
  jetty = await startTestServer({ webFolder: join(folder, 'web'), isFirst: true })
})
afterAll(async () => {
  await jetty?.close()
  rmSync(folder, { recursive: true, force: true })
})

const get = (path: string, headers: Record<string, string> = {}, method = 'GET', of = jetty) =>
  send(Number(new URL(of.url).port), method, { path }, headers)

describe('which addresses show the page', () => {
  test.each<[string, string, Record<string, string>, number, string]>([
    ['the root, for a browser', '/', html, 200, 'page'],
    ['the root, for a program', '/', {}, 200, 'application/json'],
    ['the root, for one that takes anything', '/', { accept: '*/*' }, 200, 'application/json'],
    ['a collection', '/acme', html, 200, 'page'],
    ['a run', '/acme/summarize/3a87272f?step=b', html, 200, 'page'],
    ['a run, for a program', '/acme/summarize/3a87272f', {}, 404, 'application/json'],
    ['a page of the server', '/-/approvals', html, 200, 'page'],
    ['signing in', '/sign-in', html, 200, 'page'],
    ['settings', '/settings', html, 200, 'page'],
    ['a task of a collection that is called like an operation', '/chat/completions', html, 200, 'page'],
    ['that operation, for a program', '/chat/completions', {}, 405, 'application/json'],
    ['no unknown operation', '/api/v1/nothing', html, 404, 'application/json'],
    ['nor below', '/api', html, 404, 'application/json'],
    ['no unknown path of models', '/v1/nothing', html, 404, 'application/json'],
    ['no unknown asset', '/assets/index-cccc3333.js', html, 404, 'application/json'],
    ['not the folder of assets', '/assets/', html, 404, 'application/json'],
    ['operations stay what they are', '/health', html, 200, 'application/json'],
    ['the documentation', '/docs', html, 200, 'page'],
    ['a page of it', '/docs/workflows', html, 200, 'page'],
    ['the same as text', '/docs/workflows.md', html, 200, 'text/plain; charset=utf-8'],
    ['the same for a program', '/docs/workflows', { accept: '*/*' }, 200, 'text/markdown; charset=utf-8'],
    ['the file of the page has no address', '/index.html', {}, 404, 'application/json'],
    ['nor the list of the build', '/manifest.json', {}, 404, 'application/json'],
    ['no path out of the folder', '/assets/../../secret', html, 404, 'application/json'],
    ['encoded neither', '/assets/%2e%2e/%2e%2e/package.json', html, 404, 'application/json'],
  ])('%s', async (_, path, headers, status, kind) => {
    const answer = await get(path, headers)
    const isPage = answer.text === page
    expect([answer.status, isPage ? 'page' : answer.headers['content-type']]).toEqual([status, kind])
  })

  test.each(['POST', 'PUT', 'DELETE'])('no %s', async (method) => {
    expect((await get('/acme/summarize/3a87272f', html, method)).status).toBe(404)
  })

  test('a HEAD has the headers of the page, and no body', async () => {
    const { status, headers, text } = await get('/acme', html, 'HEAD')
    expect([status, headers['content-length'], text]).toEqual([200, String(page.length), ''])
  })
})

test('the page comes under a policy that lets nothing in but files of this server', async () => {
  const { headers } = await get('/acme', html)
  expect(headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy':
      "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' blob: data:; " +
      "media-src 'self' blob:; connect-src 'self'; frame-src 'self'; manifest-src 'self'; base-uri 'none'; " +
      "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    'cross-origin-opener-policy': 'same-origin',
    'referrer-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-cache',
    vary: 'Accept, Accept-Encoding',
  })
})

describe('assets', () => {
  test('are kept for ever, and come packed to those who take that', async () => {
    const plain = await get('/assets/index-aaaa1111.js')
    expect(plain.text).toBe(script)
    expect(plain.headers).toMatchObject({
      'content-type': 'text/javascript; charset=utf-8',
      'cache-control': 'public, max-age=31536000, immutable',
      'x-content-type-options': 'nosniff',
      vary: 'Accept-Encoding',
    })
    const packed = await fetch(`${jetty.url}/assets/index-aaaa1111.js`, { headers: { 'accept-encoding': 'gzip' } })
    expect([packed.headers.get('content-encoding'), await packed.text()]).toEqual(['gzip', script])
    const raw = await sendRaw(
      Number(new URL(jetty.url).port),
      'GET /assets/index-aaaa1111.js HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip;q=0\r\nConnection: close\r\n\r\n',
    )
    expect(raw).not.toMatch(/content-encoding/i)
  })

  test('that are no text come as they are', async () => {
    const font = await get('/assets/mono-aaaa1111.woff2', { 'accept-encoding': 'gzip' })
    expect([font.headers['content-type'], font.headers['content-encoding']]).toEqual(['font/woff2', undefined])
  })

  test('of the build before are still there; its page is not', async () => {
    expect((await get('/assets/index-bbbb2222.js')).text).toBe('of the build before')
    expect((await get('/acme', html)).text).toBe(page)
  })

  test('stay what they were when the folder changes under the server', async () => {
    write(folder, { 'web/assets/index-aaaa1111.js': 'changed' })
    expect((await get('/assets/index-aaaa1111.js')).text).toBe(script)
  })

  test('beside them, other files are asked for anew each time', async () => {
    const { headers } = await get('/icon.svg')
    expect([headers['content-type'], headers['cache-control']]).toEqual(['image/svg+xml', 'no-cache'])
  })
})

test.each([
  ['/trajectory/acme/summarize/3a87272f', '/acme/summarize/3a87272f'],
  ['/trajectory/acme/summarize?tab=versions', '/acme/summarize?tab=versions'],
  ['/trajectory//evil.example/x', '/evil.example/x'],
  ['/trajectory/%2Fevil.example/x', '/%2Fevil.example/x'],
])('%s leads to %s', async (from, to) => {
  const { status, headers } = await get(from)
  expect([status, headers.location]).toEqual([302, to])
})

test('JETTY_WEB=off: no address shows a page', async () => {
  const plain = await startTestServer({
    beside: jetty,
    webFolder: join(folder, 'web'),
    env: { JETTY_WEB: 'off', JETTY_ROLE: 'api' },
  })
  expect((await get('/acme', html, 'GET', plain)).status).toBe(404)
  expect((await get('/assets/index-aaaa1111.js', {}, 'GET', plain)).status).toBe(404)
  expect((await get('/', html, 'GET', plain)).text).toContain('This server')
  await plain.close()
})

test('the first start has a link that signs in as the key of the demo', async () => {
  const url = await jetty.server.makeSignInUrl?.()
  expect(url).toMatch(new RegExp(`^${jetty.url}/sign-in#once=jso_`))
  const body = { code: url?.split('#once=')[1] }
  const answer = await jetty.call('POST', '/api/v1/session', body)
  expect(answer.body.identity).toMatchObject({ name: 'demo', collections: ['demo'] })
  expect((await jetty.call('POST', '/api/v1/session', body)).status).toBe(401)
})
