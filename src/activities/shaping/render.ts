import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { sanitizeFileName } from '../../lib/files/file-names.ts'
import { mediaObjectSchema } from '../../model/gateway/media-object.ts'
import type { ParameterFault, StepParameters } from '../../model/workflows/step-parameters.ts'
import { type ActivityContext, activity } from '../activity.ts'
import { jsonInput, shape } from './shape.ts'

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

const sourceFaults = ({ literal: { format }, has }: StepParameters): ParameterFault[] => {
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
  findFaults: sourceFaults,
  async run({ filename, ...given }, context) {
    const text = await rendered(given, context)
    if (filename === undefined) return { text, file: null }
    const type = types[given.format]
    const file = await context.files.save({ name: sanitizeFileName(filename), content_type: type, body: text })
    return { text: null, file }
  },
})
