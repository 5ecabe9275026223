import { existsSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { answerKey, type Fixture, type FixtureAnswer } from '../../web/fixtures/fixture.ts'
import { fixturePages } from '../../web/fixtures/pages.ts'
import { playgroundFixtures } from '../../web/fixtures/playground.ts'
import { settingsFixtures, settingsShell } from '../../web/fixtures/settings.ts'
import { fixtureShapes } from '../../web/fixtures/shapes.ts'
import { conversationFixtures } from './conversation-fixtures.ts'
import { datasetFixtures } from './dataset-fixtures.ts'
import { docsAnswer } from './docs-fixtures.ts'
import { tabFixtures } from './tab-fixtures.ts'

const root = join(import.meta.dirname, '../..')
const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}

/** Reads the recorded answers of a run, or of another page. */
export const readFixture = (kind: 'runs' | 'pages', name: string): Fixture =>
  JSON.parse(readFileSync(join(root, 'web/fixtures', kind, `${name}.json`), 'utf8')) as Fixture

export interface FixtureServer {
  url: string
  fixtures: readonly Fixture[]
  /** Requests of the API, as `GET /path?query`. */
  asked: string[]
  /** Those of them that no fixture answers. */
  missed: string[]
  close: () => Promise<void>
}

/** Answers of states, by their names. */
type States = ReadonlyMap<string, Readonly<Record<string, unknown>>>

const settingsStates: States = new Map(
  settingsFixtures.map(({ name, answers }) => [`settings-${name}`, { ...settingsShell, ...answers }]),
)

const answerInState = (states: States, cookies: string | undefined, asked: string): FixtureAnswer | undefined => {
  const name = /(?:^|; )gallery=([^;]+)/.exec(cookies ?? '')?.[1]
  const answers = name === undefined ? undefined : states.get(name)
  if (!answers || !Object.hasOwn(answers, asked)) return undefined
  return { status: 200, type: 'application/json', body: JSON.stringify(answers[asked]) }
}

const health: FixtureAnswer = { status: 200, type: 'application/json', body: '{"status":"healthy"}' }

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

/** What was written by hand has parameters that do not count, or in another order. */
const sameKey = (key: string): string => {
  const [method = '', address = '', sent = ''] = key.split(' ')
  return `${answerKey(method, address)}${sent === '' ? '' : ` ${sent}`}`
}

/** Serves the built pages, and answers the API from recorded answers: each page shows the same on every machine. */
export const startFixtureServer = async ({
  pages = join(root, 'dist/web'),
  port = 0,
  more = [],
  states = settingsStates,
}: {
  pages?: string
  port?: number
  /** Answers beside those of the gallery. */
  more?: readonly Fixture[]
  /** Pages of one address in many states: the gallery names the state in a cookie, and its answers go before all others. */
  states?: States
} = {}): Promise<FixtureServer> => {
  // Where both have an answer, that of the run counts: its times are those of its page.
  const fixtures = [
    ...fixturePages.map(({ name }) => readFixture('pages', name)),
    ...fixtureShapes.map(({ name }) => readFixture('runs', name)),
    ...more,
  ]
  const answers = new Map<string, FixtureAnswer>([['GET /api/v1/health', health]])
  for (const fixture of [
    ...tabFixtures,
    ...datasetFixtures,
    ...conversationFixtures,
    ...playgroundFixtures,
    ...fixtures,
  ])
    for (const [key, answer] of Object.entries(fixture.answers)) answers.set(sameKey(key), answer)
  const asked: string[] = []
  const missed: string[] = []

  const answerApi = async (request: IncomingMessage, response: ServerResponse, path: string): Promise<void> => {
    const method = request.method ?? 'GET'
    const key = answerKey(method, path, await text(request))
    asked.push(`${request.method} ${path}`)
    const inState = answerInState(states, request.headers.cookie, `${method} ${path.split('?')[0]}`)
    const answer = inState ?? answers.get(key) ?? answers.get(answerKey(method, path))
    if (answer) return send(response, answer)
    if (path.includes('/events')) {
      // Nothing happens any more in what was recorded: the stream stays open and silent.
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(path.includes('/trajectory/') ? ': open\n\n' : 'id: 1\nevent: open\ndata: {}\n\n')
      return
    }
    missed.push(`${request.method} ${path}`)
    send(response, { status: 404, type: 'application/json', body: JSON.stringify({ detail: 'Not recorded' }) })
  }

  const server = createServer(async (request, response) => {
    const path = request.url ?? '/'
    const documentation = await docsAnswer(path)
    if (documentation) return send(response, documentation)
    if (/^\/(api|v1)\//.test(path)) return void answerApi(request, response, path)
    const [name = ''] = path.split('?')
    const file = join(pages, name)
    if (extname(name) !== '' && file.startsWith(pages) && existsSync(file)) {
      const type = types[extname(name)] ?? 'application/octet-stream'
      const isNamedByContent = name.startsWith('/assets/') // as the server says of them: a browser compiles them once
      response.writeHead(200, {
        'content-type': type,
        ...(isNamedByContent && { 'cache-control': 'public, max-age=31536000, immutable' }),
      })
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
    asked,
    missed,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

/** A list of all recorded pages; it signs in by itself. */
const gallery = (fixtures: readonly Fixture[]): string => {
  const items = fixtures.map(({ name, page }) => {
    const shows = fixtureShapes.find((shape) => shape.name === name)?.shows ?? ''
    return `<li><a href="${page}">${name}</a> ${shows}</li>`
  })
  const playgrounds = playgroundFixtures.map(({ name, page, shows, draft }) => {
    const stored = JSON.stringify(draft).replaceAll('&', '&amp;').replaceAll('"', '&quot;')
    return `<li><a href="${page}" data-draft="${stored}">${name}</a> ${shows}</li>`
  })
  const settings = settingsFixtures.map(({ name, page, press }) => {
    const hint = press === undefined ? '' : `: press ${press}`
    return `<li><a href="${page}" data-state="settings-${name}">settings-${name}</a>${hint}</li>`
  })
  return `<!doctype html><title>Gallery</title><script>
    localStorage.setItem('jetty.session', 'fixture')
    addEventListener('click', ({ target: { dataset } }) => {
      document.cookie = 'gallery=' + (dataset.state ?? '') + '; path=/'
      if (dataset.draft) sessionStorage.setItem('jetty.playground', dataset.draft)
    })
  </script><ul>${items.join('')}${playgrounds.join('')}${settings.join('')}</ul>`
}
