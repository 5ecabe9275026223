import type { Contract, Endpoint } from '../endpoint.ts'
import type { Reply } from '../reply.ts'
import { html, htmlPage } from './html-page.ts'
import { openApiDocument, openApiPath } from './openapi.ts'

interface Schema {
  $ref?: string
  type?: string | string[]
  description?: string
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  anyOf?: Schema[]
  allOf?: Schema[]
  additionalProperties?: Schema | boolean
  enum?: unknown[]
  const?: unknown
  default?: unknown
  contentMediaType?: string
}

interface Operation {
  parameters: { name: string; in: string; required: boolean; description?: string; schema: Schema }[]
  requestBody?: { content: Record<string, { schema: Schema }> }
  responses: Record<string, { description: string; content?: Record<string, { schema?: Schema }> }>
}

const code = (text: string): string => `<code>${html(text)}</code>`

const typeText = (schema: Schema): string => {
  if (schema.$ref) {
    const name = schema.$ref.split('/').at(-1)!
    return `<a href="#schema-${html(name)}">${html(name)}</a>`
  }
  if (schema.const !== undefined) return code(JSON.stringify(schema.const))
  if (schema.enum) return schema.enum.map((value) => code(JSON.stringify(value))).join(' or ')
  const several = schema.anyOf
  if (schema.contentMediaType) return 'file'
  if (schema.allOf)
    return schema.allOf
      .filter((part) => part.$ref)
      .map(typeText)
      .join(' and ')
  if (several) return several.map(typeText).join(' or ')
  if (schema.type === 'array') return `array of ${schema.items ? typeText(schema.items) : 'anything'}`
  return html([schema.type ?? 'anything'].flat().join(' or '))
}

const table = (heads: string[], rows: string[][]): string =>
  rows.length === 0
    ? ''
    : `<table><thead><tr>${heads.map((head) => `<th scope="col">${head}</th>`).join('')}</tr></thead><tbody>${rows
        .map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join('')}</tr>`)
        .join('')}</tbody></table>`

const fields = (schema: Schema): string =>
  table(
    ['Field', 'Type', ''],
    Object.entries(schema.properties ?? {}).map(([name, field]) => [
      `${code(name)}${schema.required?.includes(name) ? '' : ' <span class="faint">optional</span>'}`,
      typeText(field),
      notes(field),
    ]),
  )

const notes = ({ description, default: initial }: Schema): string =>
  [
    description ? html(description) : '',
    initial === undefined ? '' : `<span class="faint">default ${code(JSON.stringify(initial))}</span>`,
  ]
    .filter(Boolean)
    .join(' ')

const accessText: Record<Endpoint['access'], string> = {
  none: 'Needs no token.',
  optional: 'Needs a token unless the thing is public.',
  read: 'Needs a token for the collection.',
  write: 'Needs a token that may write.',
  admin: 'Needs the admin token.',
}

/** Resolves the references of a schema, and merges the parts of a combined one. */
const resolved = (schema: Schema, all: Record<string, Schema>): Schema => {
  const parts = (schema.allOf ?? [schema]).map((part) =>
    part.$ref ? (all[part.$ref.split('/').at(-1)!] ?? part) : part,
  )
  return {
    properties: Object.assign({}, ...parts.map((part) => part.properties)),
    required: parts.flatMap((part) => part.required ?? []),
  }
}

const operationHtml = (name: string, endpoint: Endpoint, operation: Operation, all: Record<string, Schema>): string => {
  const parameters = operation.parameters.map((one) => [
    `${code(one.name)} <span class="faint">${one.in}${one.required ? '' : ', optional'}</span>`,
    typeText(one.schema),
    notes({ ...one.schema, ...(one.description ? { description: one.description } : {}) }),
  ])
  const bodies = Object.entries(operation.requestBody?.content ?? {})
  const body = bodies[0]?.[1].schema
  const answers = Object.entries(operation.responses)
  const errors = answers.filter(([status]) => Number(status) >= 400)
  const responses = answers.slice(0, answers.length - errors.length).map(([status, { description, content }]) => {
    const [type, media] = Object.entries(content ?? {})[0] ?? []
    return [code(status), html(description), media?.schema ? typeText(media.schema) : html(type ?? '')]
  })
  return `<details><summary><code><span class="method">${endpoint.method}</span> ${html(
    openApiPath(endpoint.path),
  )}</code> <span class="about">${html(endpoint.summary)}</span></summary><div id="${name}">
<p>${accessText[endpoint.access]} <span class="faint">Operation ${code(name)}${
    endpoint.aliases.length > 0 ? `, also at ${endpoint.aliases.map(code).join(', ')}` : ''
  }</span></p>
${parameters.length > 0 ? `<h4>Parameters</h4>${table(['Name', 'Type', ''], parameters)}` : ''}
${body ? `<h4>Body</h4><p>${typeText(body)} <span class="faint">as ${bodies.map(([type]) => html(type)).join(', ')}</span></p>${fields(resolved(body, all))}` : ''}
<h4>Answers</h4>${table(['Status', '', ''], responses)}
<p class="faint">Errors: ${errors.map(([status, one]) => `${code(status)} ${html(one.description)}`).join(' · ')}</p></div></details>`
}

const introduction = `<p>Send <code>Authorization: Bearer &lt;token&gt;</code>. Errors are <code>{"detail": …}</code>: a sentence, or a list of
<code>{loc, msg, type}</code> for a 422. Every path is served with and without a trailing slash. The same as data:
<a href="/openapi.json">openapi.json</a>.</p>
<pre>curl -s -H "Authorization: Bearer $JETTY_API_TOKEN" http://localhost:7070/api/v1/collections/</pre>`

/** The reference page: one offline HTML document made from the contract, under a policy that lets nothing else in. */
export const docsPage = (contract: Contract, info: { title: string; version: string }): Reply => {
  const document = openApiDocument(contract, info) as {
    paths: Record<string, Record<string, Operation>>
    components: { schemas: Record<string, Schema> }
  }
  const entries = Object.entries(contract)
  const tags = [...new Set(entries.map(([, endpoint]) => endpoint.tag))]
  const ofTag = (tag: string) => entries.filter(([, endpoint]) => endpoint.tag === tag)
  const operationOf = (endpoint: Endpoint) =>
    document.paths[openApiPath(endpoint.path)]![endpoint.method.toLowerCase()]!

  const menu = tags
    .map(
      (tag) =>
        `<h2>${html(tag)}</h2>${ofTag(tag)
          .map(([name]) => `<a href="#${name}">${name}</a>`)
          .join('')}`,
    )
    .join('')
  const operations = tags
    .map((tag) => {
      const list = ofTag(tag).map(([name, endpoint]) =>
        operationHtml(name, endpoint, operationOf(endpoint), document.components.schemas),
      )
      return `<h2>${html(tag)}</h2>${list.join('')}`
    })
    .join('')
  const schemas = Object.entries(document.components.schemas)
    .map(([name, schema]) => {
      const about = schema.description ? `<p>${html(schema.description)}</p>` : ''
      return `<details><summary>${code(name)}</summary><div id="schema-${html(name)}">${about}${fields(schema)}</div></details>`
    })
    .join('')

  return htmlPage(
    `${html(info.title)} API`,
    `<nav aria-label="Operations">${menu}<h2>Shapes</h2><a href="#shapes">All shapes</a></nav>
<main><h1>${html(info.title)} API <span class="faint">${html(info.version)}</span></h1>${introduction}
${operations}<h2 id="shapes">Shapes</h2>${schemas}</main>`,
  )
}
