import { createHash } from 'node:crypto'
import { Reply } from '../reply.ts'

/** Style of pages without scripts; they load nothing. */
const docsStyle = `
:root { color-scheme: light dark; --line: #d9dde3; --soft: #f5f6f8; --faint: #5c6673; --accent: #0b6bcb; }
@media (prefers-color-scheme: dark) {
  :root { --line: #2c333d; --soft: #171c23; --faint: #98a2b0; --accent: #6cb2ff; }
  body { background: #0e1217; color: #e4e8ee; }
}
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.55 system-ui, sans-serif; display: grid; grid-template-columns: 17rem minmax(0, 1fr); }
nav { position: sticky; top: 0; height: 100vh; overflow: auto; padding: 1.2rem; border-right: 1px solid var(--line); }
nav h2 { font-size: .78rem; text-transform: uppercase; letter-spacing: .05em; color: var(--faint); margin: 1.2rem 0 .3rem; }
nav a { display: block; color: inherit; text-decoration: none; font-size: .86rem; padding: .1rem 0; overflow-wrap: anywhere; }
nav a:hover, nav a:focus { color: var(--accent); }
main { padding: 1.5rem 2rem 5rem; max-width: 62rem; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { margin: 2.4rem 0 .6rem; font-size: 1.2rem; }
code { font: .86em ui-monospace, SFMono-Regular, Menlo, monospace; }
.faint { color: var(--faint); }
table { border-collapse: collapse; width: 100%; margin: .3rem 0 .8rem; font-size: .88rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--faint); font-weight: 600; } h4 { margin: 1rem 0 .2rem; font-size: .9rem; }
pre { background: var(--soft); padding: .7rem .9rem; border-radius: .4rem; overflow: auto; }
a { color: var(--accent); }
@media (max-width: 50rem) { body { display: block; } nav { position: static; height: auto; border: 0; } main { padding: 1rem; } }
`

const marks: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** A text as HTML shows it, also within an attribute. */
export const html = (text: string): string => text.replace(/[&<>"']/g, (mark) => marks[mark] ?? mark)

const styleHash = createHash('sha256').update(docsStyle).digest('base64')

/** A page without scripts, under a policy that lets nothing in but its own style. `title` and `body` are HTML. */
const htmlPage = (title: string, body: string, headers: Record<string, string> = {}): Reply =>
  new Reply(
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>${docsStyle}</style></head>
<body>${body}</body></html>`,
    {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-cache',
      ...headers,
    },
  )

interface PageGroup {
  title: string
  pages: { page: string; title: string }[]
}

/** The pages of the documentation as links to Markdown, for browsers of a server without pages and for programs. */
export const docsIndexPage = (groups: readonly PageGroup[]): Reply =>
  htmlPage(
    'Jetty documentation',
    `<nav aria-label="For programs"><a href="/openapi.json">openapi.json</a><a href="/llms.txt">llms.txt</a>
<a href="/llms-full.txt">llms-full.txt</a></nav>
<main><h1>Jetty documentation</h1>${groups
      .map(
        ({ title, pages }) =>
          `<h2>${html(title)}</h2><ul>${pages
            .map((one) => `<li><a href="/docs/${html(one.page)}.md">${html(one.title)}</a></li>`)
            .join('')}</ul>`,
      )
      .join('')}</main>`,
    { vary: 'accept' },
  )

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
