import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { jsonSize } from '../../lib/memory/json-memory.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { asText } from '../../lib/text/as-text.ts'
import { filledPieces } from '../../lib/text/placeholders.ts'
import { activity } from '../activity.ts'

/** Joins texts with a separator. */
export const textConcatenate = activity({
  name: 'text_concatenate',
  category: 'text',
  lenient: true,
  description: 'Joins several texts in order, with a separator between them.',
  parameters: z.object({
    texts: z
      .union([z.array(z.unknown()), z.string()])
      .describe('The texts; texts_path takes one path to a list, or a list of paths.'),
    separator: z.string().default('\n').describe('Separator between two texts.'),
  }),
  outputs: z.object({ text: z.string().describe('The joined text.') }),
  example: {
    activity: 'text_concatenate',
    texts_path: ['init_params.first', 'init_params.second'],
    separator: '\n\n',
  },
  gotchas: [
    'A list of paths belongs in texts_path; in texts the paths themselves would be joined.',
    'A single text counts as a list of one. Elements that are not text are joined as JSON.',
  ],
  pure: true,
  async run({ texts, separator }, context) {
    const parts = typeof texts === 'string' ? [texts] : texts
    await context.room(jsonSize(parts, Number.MAX_SAFE_INTEGER) + parts.length * separator.length)
    return { text: parts.map(asText).join(separator) }
  },
})

/** Puts out what it was given: the smallest step there is. */
export const textEcho = activity({
  name: 'text_echo',
  category: 'text',
  lenient: true,
  description: 'Returns its input. Useful for a first workflow, and to give a value a name.',
  parameters: z.object({
    text: z.unknown().describe('The value to return, usually a text; any other value is returned unchanged.'),
  }),
  outputs: z.object({ text: z.unknown().describe('The same value.') }),
  example: { activity: 'text_echo', text_path: 'init_params.text' },
  gotchas: ['A value that is not text keeps its type: an object is returned as an object, not as JSON text.'],
  pure: true,
  async run({ text }) {
    return { text }
  },
})

const maxCharactersOut = 64 * 1024 * 1024

/** Memory of one chunk beside its characters, and of one code point on its own. */
const chunkBytes = 40
const codePointBytes = 16
/** Code points that JavaScript counts as two characters. */
const isTorn = /[\ud800-\udfff]/

/** Cuts by characters as people count them in code points, so that no emoji is torn in two halves. */
const split = (text: string, chunkSize: number, step: number): string[] => {
  const characters = isTorn.test(text) ? Array.from(text) : text
  const chunks: string[] = []
  for (let start = 0; start < characters.length; start += step) {
    const chunk = characters.slice(start, start + chunkSize)
    chunks.push(typeof chunk === 'string' ? chunk : chunk.join(''))
    if (start + chunkSize >= characters.length) break
  }
  return chunks
}

/** Cuts a text into chunks of equal size, which may overlap. */
export const textSplit = activity({
  name: 'text_split',
  category: 'text',
  lenient: true,
  description: 'Splits a text into chunks of a fixed number of characters; neighbouring chunks can overlap.',
  parameters: z.object({
    text: z.string().describe('The text to split.').meta({ input: 'text' }),
    chunk_size: z
      .number()
      .int()
      .min(1)
      .default(1000)
      .describe('Number of characters in a chunk; the last one may be shorter.'),
    overlap: z
      .number()
      .int()
      .min(0)
      .default(0)
      .describe('Number of characters that a chunk repeats from the previous chunk.'),
  }),
  outputs: z.object({
    chunks: z.array(z.string()).describe('The chunks, in the order of the text.'),
    count: z.number().int().describe('Number of chunks; 0 for an empty text.'),
  }),
  example: { activity: 'text_split', text_path: 'init_params.text', chunk_size: 1000, overlap: 100 },
  gotchas: [
    'overlap must be smaller than chunk_size.',
    'The text is split by characters, not by words, sentences or tokens.',
  ],
  pure: true,
  async run({ text, chunk_size, overlap }, context) {
    if (overlap >= chunk_size) {
      throw new AppError(
        'parameter_invalid',
        `text_split: overlap (${overlap}) must be smaller than chunk_size (${chunk_size})`,
        { hint: 'Lower overlap, or raise chunk_size.' },
      )
    }
    const step = chunk_size - overlap
    if (text.length * Math.ceil(chunk_size / step) > maxCharactersOut && text.length > chunk_size) {
      throw new AppError(
        'output_too_large',
        `text_split: chunks of ${chunk_size} with an overlap of ${overlap} would expand a text of ${text.length} ` +
          `characters beyond ${byteSize(maxCharactersOut)}`,
        { hint: 'Lower overlap, or split a shorter text.' },
      )
    }
    const characters = isTorn.test(text) ? codePointBytes * text.length : 0
    await context.room(characters + (text.length / step) * (chunkBytes + overlap))
    const chunks = split(text, chunk_size, step)
    return { chunks, count: chunks.length }
  },
})

/** Fills `{{name}}` in a template from the other parameters. */
export const textTemplate = activity({
  name: 'text_template',
  category: 'text',
  lenient: true,
  description: 'Fills the {{name}} placeholders of a template. Every other parameter is a variable of that name.',
  parameters: z.object({
    template: z
      .string()
      .describe('Text with {{name}} placeholders; spaces inside the braces do not matter.')
      .meta({ input: 'text' }),
    variables: z
      .record(z.string(), z.unknown())
      .optional()
      .describe(
        'Values by name; keys that end in _path are references. A parameter of the same name takes precedence.',
      ),
  }),
  outputs: z.object({ text: z.string().describe('The template with its placeholders filled in.') }),
  example: {
    activity: 'text_template',
    template: 'Dear {{name}}, your order {{order}} has left.',
    name_path: 'init_params.name',
    variables: { order_path: 'init_params.order.id' },
  },
  gotchas: [
    'A placeholder without a value stays in the text, and the step carries a warning that names it.',
    'Text is inserted unchanged, any other value as JSON. Inserted values are not searched for placeholders again.',
    '{{init_params.x}} and {{step.outputs.x}} are filled in too. A variable takes precedence over a step of the same name, except ' +
      'if the variables come as one object from variables_path.',
  ],
  nested: ['variables'],
  takesAnyParameter: true,
  pure: true,
  async run({ template, variables, extra }, context) {
    const values = { ...variables, ...extra }
    const unknown = new Set<string>()
    const texts = new Map<string, string>() // an object that the template uses many times is serialized once
    const pieces = filledPieces(template, (name) => {
      if (!Object.hasOwn(values, name) || values[name] === undefined) {
        unknown.add(name)
        return undefined
      }
      const text = texts.get(name) ?? asText(values[name])
      texts.set(name, text)
      return text
    })
    await context.room(pieces.reduce((length, piece) => length + piece.length, 0))
    const text = pieces.join('')
    for (const name of unknown) {
      context.warn(`placeholder '{{${name}}}' has no value and stays in the text; set '${name}' or '${name}_path'`)
    }
    return { text }
  },
})
