import { parsedJson } from '../../../../src/lib/json/json-object.ts'
import { shellWord } from '../../../parts/run-commands.ts'

/** A call as somebody has filled it in. */
export interface FilledCall {
  name: string
  method: string
  /** Path with `{name}` for parameters. */
  path: string
  needsToken: boolean
  params: Record<string, string>
  query: Record<string, string>
  /** JSON, or undefined where the operation takes no body. */
  bodyText: string | undefined
}

export const snippetKinds = ['curl', 'TypeScript', 'Python'] as const
export type SnippetKind = (typeof snippetKinds)[number]

/** `{path}` of files keeps its slashes. */
const encoded = (name: string, value: string): string =>
  name === 'path' || name === 'page' ? value.split('/').map(encodeURIComponent).join('/') : encodeURIComponent(value)

/** Address of a call; parameters that are not filled in stay as they are named. */
export const callPath = ({ path, params }: Pick<FilledCall, 'path' | 'params'>): string =>
  path.replace(/\{(\w+)\}/g, (whole, name: string) => (params[name] ? encoded(name, params[name]) : whole))

const filled = (values: Record<string, string>): [string, string][] =>
  Object.entries(values).filter(([, value]) => value !== '')

const queryText = (query: Record<string, string>): string => {
  const text = new URLSearchParams(filled(query)).toString()
  return text === '' ? '' : `?${text}`
}

const curl = (call: FilledCall, origin: string): string =>
  [
    `curl -sS${call.method === 'GET' ? '' : ` -X ${call.method}`} ${shellWord(`${origin}${callPath(call)}${queryText(call.query)}`)}`,
    ...(call.needsToken ? ['-H "Authorization: Bearer $JETTY_API_TOKEN"'] : []),
    ...(call.bodyText === undefined ? [] : ["-H 'Content-Type: application/json'", `-d ${shellWord(call.bodyText)}`]),
  ].join(' \\\n  ')

const indented = (value: unknown): string => (JSON.stringify(value, null, 2) ?? 'null').replaceAll('\n', '\n  ')

const typeScript = (call: FilledCall, origin: string): string => {
  const names = [...call.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '')
  const params = Object.fromEntries(names.map((name) => [name, call.params[name] ?? '']))
  const body = call.bodyText === undefined ? undefined : parsedJson(call.bodyText)
  const parts = [
    ...(names.length === 0 ? [] : [`  params: ${indented(params)},`]),
    ...(filled(call.query).length === 0 ? [] : [`  query: ${indented(Object.fromEntries(filled(call.query)))},`]),
    ...(call.bodyText === undefined ? [] : [`  body: ${body === undefined ? call.bodyText : indented(body)},`]),
  ]
  const input = parts.length === 0 ? '' : `{\n${parts.join('\n')}\n}`
  return `import { createClient } from 'jetty-server/client'

const jetty = createClient({ url: ${JSON.stringify(origin)}, token: process.env.JETTY_API_TOKEN })
const answer = await jetty.${call.name}(${input})`
}

/** Writes a value of JSON as Python does. */
const pythonValue = (value: unknown, indent: string): string => {
  if (value === null || value === undefined) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value !== 'object') return JSON.stringify(value)
  const inner = `${indent}    `
  const members = Array.isArray(value)
    ? value.map((one) => `${inner}${pythonValue(one, inner)},\n`)
    : Object.entries(value).map(([name, one]) => `${inner}${JSON.stringify(name)}: ${pythonValue(one, inner)},\n`)
  const [open, close] = Array.isArray(value) ? '[]' : '{}'
  return members.length === 0 ? `${open}${close}` : `${open}\n${members.join('')}${indent}${close}`
}

const python = (call: FilledCall, origin: string): string => {
  const body = call.bodyText === undefined ? undefined : parsedJson(call.bodyText)
  const query = filled(call.query)
  return [
    `${call.needsToken ? 'import os\n\n' : ''}import requests\n`,
    `answer = requests.${call.method.toLowerCase()}(`,
    `    ${JSON.stringify(`${origin}${callPath(call)}`)},`,
    ...(call.needsToken ? [`    headers={"Authorization": f"Bearer {os.environ['JETTY_API_TOKEN']}"},`] : []),
    ...(query.length === 0 ? [] : [`    params=${pythonValue(Object.fromEntries(query), '    ')},`]),
    ...(call.bodyText === undefined
      ? []
      : [`    json=${body === undefined ? call.bodyText : pythonValue(body, '    ')},`]),
    ')\nanswer.raise_for_status()\nprint(answer.text)',
  ].join('\n')
}

/** Writes a call for a program, to the server at `origin`. The key is read from the environment, never written out. */
export const snippetOf = (kind: SnippetKind, call: FilledCall, origin: string): string =>
  ({ curl, TypeScript: typeScript, Python: python })[kind](call, origin)
