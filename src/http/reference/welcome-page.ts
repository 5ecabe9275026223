import type { Reply } from '../reply.ts'
import { html, htmlPage } from './html-page.ts'

const places: readonly (readonly [path: string, meaning: string])[] = [
  ['/docs', 'The documentation, to read'],
  ['/openapi.json', 'The API for programs, as OpenAPI 3.1'],
  ['/health', 'Whether the server answers, as JSON'],
  ['/ready', 'Whether it can take work: database, storage, queue'],
]

const commands: readonly (readonly [command: string, meaning: string])[] = [
  ['jetty status', 'Which server commands talk to, and why'],
  ['jetty tasks ls demo', 'The example tasks that the first start has made'],
  ['jetty run demo/hello --wait', 'Runs one of them'],
  ['jetty runs ls demo', 'What has run'],
]

const rows = (pairs: string[][]): string =>
  `<table><tbody>${pairs.map((cells) => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`).join('')}</tbody></table>`

/** The start page of a server without web pages: links to the API and its documentation. */
export const welcomePage = (version: string): Reply =>
  htmlPage(
    'Jetty',
    `<nav aria-label="Places">${places.map(([path]) => `<a href="${path}">${path}</a>`).join('')}</nav>
<main><h1>Jetty <span class="faint">${html(version)}</span></h1>
<p>This server runs. It shows no pages (JETTY_WEB is off, or they were not built): the API and the command line show runs.</p>
<h2>Places</h2>${rows(places.map(([path, meaning]) => [`<a href="${path}">${path}</a>`, meaning]))}
<h2>Clients</h2>
<p>OpenAI clients take <code>/v1</code> of this address as their base URL, Anthropic clients the address alone.</p>
<h2>On the command line</h2>${rows(commands.map(([command, meaning]) => [`<code>${command}</code>`, meaning]))}</main>`,
    { vary: 'accept' },
  )
