import { z } from 'zod'
import { jsonSize } from '../../lib/memory/json-memory.ts'
import { asText } from '../../lib/text/as-text.ts'
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
