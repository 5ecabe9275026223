import { z } from 'zod'
import { activity } from '../activity.ts'

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
