import { existsSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { answerKey, type Fixture, type FixtureAnswer } from '../../web/fixtures/fixture.ts'
import { playgroundFixtures } from '../../web/fixtures/playground.ts'
import { fixtureShapes } from '../../web/fixtures/shapes.ts'
import { tabFixtures } from './tab-fixtures.ts'

const root = join(import.meta.dirname, '../..')
const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}

/** Reads the recorded answers of a run. */
export const readFixture = (name: string): Fixture =>
  JSON.parse(readFileSync(join(root, 'web/fixtures/runs', `${name}.json`), 'utf8')) as Fixture

export interface FixtureServer {
  url: string
  fixtures: readonly Fixture[]
  /** Requests that no fixture answers. */
  missed: string[]
  close: () => Promise<void>
}

const json = (body: unknown): FixtureAnswer => ({ status: 200, type: 'application/json', body: JSON.stringify(body) })

/** What the shell around the pages asks for. */
const shellAnswers: Record<string, FixtureAnswer> = {
  'GET /api/v1/health': json({ status: 'healthy' }),
  'GET /api/v1/auth/whoami': json({
    auth_type: 'admin',
    name: 'admin',
    key_prefix: null,
    key_id: null,
    collections: ['fixtures'],
    home_collection: 'fixtures',
    access_level: 'WRITE',
  }),
  'GET /api/v1/collections': json([]),
}

const send = (response: ServerResponse, { status, type, body, isBase64, staysOpen }: FixtureAnswer): void => {
  const bytes = isBase64 ? Buffer.from(body, 'base64') : Buffer.from(body)
  if (staysOpen) {
    response.writeHead(status, { 'content-type': type })
    response.write(bytes)
    return
  }
  response.writeHead(status, {
    'content-type': type,
    'content-length': bytes.length,
    'x-content-type-options': 'nosniff',
  })
  response.end(bytes)
}

/** The policy that the server sends with its pages. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; " +
  "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"

/** Serves the built pages, and answers the API from recorded runs: each page shows the same on every machine. */
export const startFixtureServer = async (
  names: readonly string[] = fixtureShapes.map(({ name }) => name),
  { pages = join(root, 'dist/web'), port = 0 } = {},
): Promise<FixtureServer> => {
  const fixtures = [...names.map(readFixture), ...tabFixtures]
  const answers = new Map(Object.entries(shellAnswers))
  for (const fixture of [...playgroundFixtures, ...fixtures])
    for (const [key, answer] of Object.entries(fixture.answers)) answers.set(key, answer)
  const missed: string[] = []

  const answerApi = (request: IncomingMessage, response: ServerResponse, path: string): void => {
    const answer = answers.get(answerKey(request.method ?? 'GET', path))
    if (answer) send(response, answer)
    else if (path.includes('/events')) {
      // Nothing happens any more in a recorded run: the stream stays open and silent.
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(': open\n\n')
    } else {
      missed.push(`${request.method} ${path}`)
      send(response, { status: 404, type: 'application/json', body: JSON.stringify({ detail: 'Not recorded' }) })
    }
  }

  const server = createServer((request, response) => {
    const path = request.url ?? '/'
    if (/^\/(api|v1)\//.test(path)) return answerApi(request, response, path)
    const [name = ''] = path.split('?')
    const file = join(pages, name)
    if (extname(name) !== '' && file.startsWith(pages) && existsSync(file)) {
      const type = types[extname(name)] ?? 'application/octet-stream'
      response.writeHead(200, { 'content-type': type })
      return response.end(readFileSync(file))
    }
    if (name === '/-/gallery')
      return send(response, { status: 200, type: 'text/html; charset=utf-8', body: gallery(fixtures) })
    response.writeHead(200, { 'content-type': types['.html'], 'content-security-policy': policy })
    response.end(readFileSync(join(pages, 'index.html')))
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fixtures,
    missed,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

/** A list of all recorded runs; it signs in by itself. */
const gallery = (fixtures: readonly Fixture[]): string => {
  const items = fixtures.map(({ name, page }) => {
    const shows = fixtureShapes.find((shape) => shape.name === name)?.shows ?? ''
    return `<li><a href="${page}">${name}</a> ${shows}</li>`
  })
  const playgrounds = playgroundFixtures.map(({ name, page, shows, draft }) => {
    const stored = JSON.stringify(draft).replaceAll('&', '&amp;').replaceAll('"', '&quot;')
    return `<li><a href="${page}" data-draft="${stored}">${name}</a> ${shows}</li>`
  })
  return `<!doctype html><title>Gallery</title><script>
    localStorage.setItem('jetty.session', 'fixture')
    addEventListener('click', ({ target: { dataset } }) => {
      if (dataset.draft) sessionStorage.setItem('jetty.playground', dataset.draft)
    })
  </script><ul>${items.join('')}${playgrounds.join('')}</ul>`
}
