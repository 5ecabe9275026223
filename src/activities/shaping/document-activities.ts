import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { sanitizeFileName } from '../../lib/files/file-names.ts'
import { essenceOf, extensionOf } from '../../lib/files/media-type.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { decodeFileText } from '../../lib/text/text-encoding.ts'
import { mediaObjectSchema } from '../../model/gateway/media-object.ts'
import type { ParameterFault, StepParameters } from '../../model/workflows/step-parameters.ts'
import { type ActivityContext, activity } from '../activity.ts'
import { jsonInput, type ReadFormat, readFormats, shape } from './shape.ts'

const byExtension: Record<string, ReadFormat> = {
  ...Object.fromEntries(readFormats.map((format) => [format, format])),
  ndjson: 'jsonl',
  yml: 'yaml',
  htm: 'html',
}
const byType: Record<string, ReadFormat> = {
  'application/json': 'json',
  'application/jsonl': 'jsonl',
  'application/x-ndjson': 'jsonl',
  'text/csv': 'csv',
  'text/tab-separated-values': 'tsv',
  'application/xml': 'xml',
  'text/xml': 'xml',
  'application/yaml': 'yaml',
  'text/html': 'html',
  'application/pdf': 'pdf',
}

/** What a text without a name is. */
const formatOfText = (text: string): ReadFormat => {
  const start = text.slice(0, 2_000).trimStart()
  if (/^[[{]/.test(start)) return /^\{.*\}\s*\n\s*\{/.test(start) ? 'jsonl' : 'json'
  if (/^<\?xml/i.test(start)) return 'xml'
  return /^<(!doctype\s+html|html|head|body|div|p|h1|table|ul)\b/i.test(start)
    ? 'html'
    : start.startsWith('<')
      ? 'xml'
      : 'csv'
}

const oneSource = "Parameters 'text' and 'file': give one of the two"
const noPdfText = 'A PDF cannot be given as text: give the storage path as file'

const sourceFaults = ({ literal: { format }, has }: StepParameters): ParameterFault[] => {
  if (has('text') === has('file')) return [{ parameter: has('text') ? 'file' : 'text', message: oneSource }]
  return format === 'pdf' && has('text') ? [{ parameter: 'text', message: noPdfText }] : []
}

interface Source {
  format: ReadFormat
  content: string | Uint8Array
}

const sourceOf = async (
  { text, file, format }: { text?: unknown; file?: string | undefined; format: ReadFormat | 'auto' },
  context: ActivityContext,
): Promise<Source> => {
  if ((text === undefined) === (file === undefined)) {
    throw new AppError('parameter_invalid', oneSource)
  }
  const most = context.settings.transformLimits.inputBytes
  if (file === undefined) {
    const content = typeof text === 'string' ? text : JSON.stringify(text)
    if (content.length > most) throw tooLarge('The text', content.length, most)
    const found = format === 'auto' ? formatOfText(content) : format
    if (found !== 'pdf') return { format: found, content }
    throw new AppError('parameter_invalid', noPdfText)
  }
  const stored = await context.files.open(file)
  if (stored.size > most) throw tooLarge(`'${stored.name}'`, stored.size, most)
  const named = byExtension[extensionOf(stored.name)] ?? byType[essenceOf(stored.content_type)]
  const bytes = await stored.bytes()
  if ((format === 'auto' ? named : format) === 'pdf') return { format: 'pdf', content: bytes }
  const decoded = await decodeFileText(bytes, { name: stored.name, contentType: stored.content_type })
  return { format: format === 'auto' ? (named ?? formatOfText(decoded.text)) : format, content: decoded.text }
}

const tooLarge = (what: string, bytes: number, most: number): AppError =>
  new AppError('too_large', `${what} has ${byteSize(bytes)}; parse reads at most ${byteSize(most)}`, {
    hint: 'Split it, request less of it, or raise JETTY_TRANSFORM_INPUT_BYTES.',
  })

/** Reads a document as data. */
export const parseDocumentStep = activity({
  name: 'parse',
  category: 'data',
  description: 'Reads JSON, JSON lines, CSV, TSV, XML or YAML as data, and HTML or PDF as text.',
  parameters: z.object({
    text: z
      .unknown()
      .optional()
      .describe('The document as text.')
      .meta({ aliases: ['content', 'data', 'input', 'body', 'html', 'csv', 'xml'], input: 'text' }),
    file: z
      .string()
      .optional()
      .describe('Storage path of the document, in place of text.')
      .meta({ aliases: ['storage', 'file_name', 'document'] }),
    format: z
      .enum(['auto', ...readFormats])
      .default('auto')
      .describe('Format; auto: by the name and type of the file, or by how the text begins.')
      .meta({ aliases: ['type'] }),
    header: z
      .boolean()
      .default(true)
      .describe('CSV: whether the first row names the columns. Without, rows are lists.'),
    delimiter: z
      .string()
      .length(1)
      .optional()
      .describe('CSV: the character between cells; default: found in the first rows.'),
  }),
  outputs: z.object({
    value: z.unknown().describe('The data: rows of CSV and JSON lines as a list, HTML and PDF as text.'),
    count: z.number().int().describe('Number of rows, elements or pages; 1 for another value.'),
    format: z.enum(readFormats).describe('Format that was read.'),
  }),
  example: { activity: 'parse', text: 'name,age\nAda,36\n', format: 'csv' },
  alsoCalled: ['read_csv', 'parse_csv', 'csv_parse', 'parse_json', 'read_json', 'read_pdf', 'extract_text'],
  gotchas: [
    'Cells of CSV are texts: "36", not 36.',
    'An XML element is its text, or an object of attributes (@name), children and #text; several children of one name are a list.',
    'Pages of a PDF are separated by form feeds. Scanned pages have no text: use litellm_vision.',
    'XML with entities of its own, YAML with more than 100 aliases, rows above 1 MiB and deep nesting are refused.',
  ],
  findFaults: sourceFaults,
  async run({ text, file, format, header, delimiter }, context) {
    const source = await sourceOf({ text, file, format }, context)
    const work = { kind: 'parse' as const, ...source, header, delimiter }
    const value = await shape(work, `Reading ${source.format.toUpperCase()}`, context)
    const count = Array.isArray(value) ? value.length : 1
    return { value: source.format === 'pdf' ? (value as string[]).join('\f') : value, count, format: source.format }
  },
})

const types = { html: 'text/html', csv: 'text/csv', json: 'application/json', jsonl: 'application/jsonl' }

interface Given {
  format: keyof typeof types
  markdown?: string | undefined
  items?: unknown[] | undefined
  columns?: string[] | undefined
  title?: string | undefined
}

const missingText = (name: string, format: string): string => `Parameter '${name}' is missing: ${format} is made of it`

const missing = (name: string, format: string): AppError => new AppError('parameter_invalid', missingText(name, format))

const contentFaults = ({ literal: { format }, has }: StepParameters): ParameterFault[] => {
  if (typeof format !== 'string') return []
  const parameter = format === 'html' ? 'markdown' : 'items'
  return has(parameter) ? [] : [{ parameter, message: missingText(parameter, format) }]
}

const rendered = async (
  { format, markdown, items, columns, title }: Given,
  context: ActivityContext,
): Promise<string> => {
  if (format === 'html') {
    if (markdown === undefined) throw missing('markdown', format)
    return (await shape({ kind: 'html', markdown, title }, 'Rendering Markdown', context)) as string
  }
  if (items === undefined) throw missing('items', format)
  const input = await jsonInput(items, context)
  return (await shape({ kind: format, input, columns }, `Writing ${format.toUpperCase()}`, context)) as string
}

/** Writes data as a document. */
export const renderDocument = activity({
  name: 'render',
  category: 'data',
  description: 'Writes Markdown as safe HTML, or a list as CSV, JSON or JSON lines; as a file if it has a name.',
  parameters: z.object({
    format: z
      .enum(['html', 'csv', 'json', 'jsonl'])
      .describe('What is written.')
      .meta({ aliases: ['to', 'type'] }),
    markdown: z
      .string()
      .max(1024 * 1024)
      .optional()
      .describe('Markdown for HTML. HTML in it is shown as text.')
      .meta({ aliases: ['text', 'content'], input: 'code', language: 'markdown' }),
    items: z
      .array(z.unknown())
      .max(1_000_000)
      .optional()
      .describe('The list: objects, or lists of cells.')
      .meta({ aliases: ['rows', 'data', 'list'] }),
    columns: z
      .array(z.string())
      .max(1_000)
      .optional()
      .describe('CSV: members to write, in this order; default: all, in the order in which they first occur.')
      .meta({ aliases: ['fields'] }),
    title: z.string().max(1_000).optional().describe('HTML: title; the result is then a whole page.'),
    filename: z
      .string()
      .min(1)
      .optional()
      .describe('Name under which the result is stored as a file.')
      .meta({ aliases: ['file_name', 'name'] }),
  }),
  outputs: z.object({
    text: z.string().nullable().describe('The result; null if it is stored as a file.'),
    file: mediaObjectSchema.nullable().describe('The stored file; null without filename.'),
  }),
  example: {
    activity: 'render',
    format: 'csv',
    items_path: 'init_params.orders',
    columns: ['id', 'amount'],
    filename: 'orders.csv',
  },
  alsoCalled: ['csv', 'to_csv', 'write_csv', 'save_csv', 'export_csv', 'markdown', 'html'],
  gotchas: [
    'Links in HTML lead to http, https and mailto addresses only; others lose their target.',
    'A cell that begins like a formula gets a leading apostrophe, so that a spreadsheet does not execute it.',
  ],
  findFaults: contentFaults,
  async run({ filename, ...given }, context) {
    const text = await rendered(given, context)
    if (filename === undefined) return { text, file: null }
    const type = types[given.format]
    const file = await context.files.save({ name: sanitizeFileName(filename), content_type: type, body: text })
    return { text: null, file }
  },
})
