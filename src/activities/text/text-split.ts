import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { activity } from '../activity.ts'

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
