import { parse as parseCsv } from 'csv-parse/sync'
import { Parser } from 'htmlparser2'
import { parseAllDocuments } from 'yaml'
import { isDeeperThan, maxJsonDepth } from '../../lib/json/json-text.ts'
import { findCsvDelimiter } from '../../lib/text/csv.ts'
import type { ShapeWork } from './shape.ts'

interface Element {
  name: string
  /** Where its opening tag begins. */
  at: number
  members: Map<string, unknown>
  text: string
}

/** Adds a child; several with one name become a list. */
const add = (members: Map<string, unknown>, name: string, value: unknown): void => {
  const found = members.get(name)
  if (Array.isArray(found)) found.push(value)
  else members.set(name, members.has(name) ? [found, value] : value)
}

const contentOf = ({ members, text }: Element): unknown => {
  const trimmed = text.trim()
  if (members.size === 0) return trimmed
  if (trimmed !== '') members.set('#text', trimmed)
  return Object.fromEntries(members)
}

/**
 * Reads XML as JSON: an element is its text, or an object with its attributes (`@name`), its children by name and its
 * text (`#text`). Entities of the document are not expanded: it is refused.
 */
const readXml = (text: string): unknown => {
  if (/<!ENTITY/i.test(text)) throw new Error('the XML declares entities, which are never expanded')
  const root: Element = { name: '', at: -1, members: new Map(), text: '' }
  const open = [root]
  const parser = new Parser(
    {
      onopentag(name, attributes) {
        if (open.length > maxJsonDepth) throw new Error(`the XML is nested deeper than ${maxJsonDepth} levels`)
        const members = new Map<string, unknown>(Object.entries(attributes).map(([key, value]) => [`@${key}`, value]))
        open.push({ name, at: parser.startIndex, members, text: '' })
      },
      ontext(part) {
        open[open.length - 1]!.text += part
      },
      onclosetag(name, isImplied) {
        const element = open.pop()!
        const isSelfClosed = parser.startIndex === element.at
        if (isImplied && !isSelfClosed) throw new Error(`the XML element '${name}' is not closed`)
        add(open[open.length - 1]!.members, element.name, contentOf(element))
      },
    },
    { xmlMode: true, decodeEntities: true },
  )
  parser.end(text)
  if (root.members.size === 0) throw new Error('the XML has no element')
  return Object.fromEntries(root.members)
}

const silent = new Set(['script', 'style', 'title', 'noscript', 'template', 'svg', 'iframe', 'object', 'select'])
const blocks = new Set(
  'address article aside blockquote dd details div dl dt figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre section table tr ul'.split(
    ' ',
  ),
)

/** Reads the text of a page as a person sees it: a line for each block, `- ` before list items, a tab between cells. */
const readHtml = (html: string): string => {
  const parts: string[] = []
  let hidden = 0
  let preformatted = 0
  const parser = new Parser(
    {
      onopentag(name) {
        if (silent.has(name)) hidden++
        if (name === 'pre') preformatted++
        if (hidden > 0) return
        if (blocks.has(name) || name === 'br') parts.push('\n')
        if (name === 'li') parts.push('- ')
        if (name === 'td' || name === 'th') parts.push('\t')
      },
      ontext(text) {
        if (hidden === 0) parts.push(preformatted > 0 ? text : text.replace(/\s+/g, ' '))
      },
      onclosetag(name) {
        if (silent.has(name)) hidden = Math.max(0, hidden - 1)
        if (name === 'pre') preformatted = Math.max(0, preformatted - 1)
        if (hidden === 0 && blocks.has(name)) parts.push('\n')
      },
    },
    { decodeEntities: true },
  )
  parser.end(html)
  return parts
    .join('')
    .split('\n')
    .map((line) => line.replace(/^[\t ]+|[\t ]+$/g, '').replace(/ {2,}/g, ' '))
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()
}

const mostCellCharacters = 1024 * 1024
const mostAliases = 100
const sampleCharacters = 32 * 1024

const readJson = (text: string): unknown => {
  if (isDeeperThan(text, maxJsonDepth)) throw new Error(`the JSON is nested deeper than ${maxJsonDepth} levels`)
  return JSON.parse(text)
}

const readJsonLines = (text: string): unknown[] =>
  text.split('\n').flatMap((line, at) => {
    if (line.trim() === '') return []
    try {
      return [readJson(line)]
    } catch (error) {
      throw new Error(`line ${at + 1}: ${(error as Error).message}`)
    }
  })

const readCsv = (text: string, { format, delimiter, header }: Extract<ShapeWork, { kind: 'parse' }>): unknown => {
  try {
    return parseCsv(text, {
      bom: true,
      columns: header,
      delimiter:
        delimiter ??
        (format === 'tsv' ? '\t' : findCsvDelimiter(text.slice(0, sampleCharacters), text.length <= sampleCharacters)),
      max_record_size: mostCellCharacters,
      relax_column_count: !header,
      skip_empty_lines: true,
    })
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    if (code !== 'CSV_MAX_RECORD_SIZE') throw error
    throw new Error(`a row has more than ${mostCellCharacters} characters; a quote may be open: ${message}`)
  }
}

const readYaml = (text: string): unknown => {
  const documents = parseAllDocuments(text, { logLevel: 'silent' })
  if (!Array.isArray(documents)) return null
  const values = documents.map((document) => {
    const [fault] = document.errors
    if (fault) throw new Error(fault.message)
    return document.toJS({ maxAliasCount: mostAliases })
  })
  return values.length > 1 ? values : (values[0] ?? null)
}

/** Reads a document. Throws an error that names the fault. */
export const readDocument = async (work: Extract<ShapeWork, { kind: 'parse' }>): Promise<unknown> => {
  const { format, content } = work
  if (format === 'pdf') {
    return (await import('./read-pdf.ts')).readPdf(
      typeof content === 'string' ? Buffer.from(content, 'base64') : content,
    )
  }
  const text = typeof content === 'string' ? content : Buffer.from(content).toString()
  switch (format) {
    case 'json':
      return readJson(text)
    case 'jsonl':
      return readJsonLines(text)
    case 'csv':
    case 'tsv':
      return readCsv(text, work)
    case 'yaml':
      return readYaml(text)
    case 'xml':
      return readXml(text)
    case 'html':
      return readHtml(text)
  }
}
