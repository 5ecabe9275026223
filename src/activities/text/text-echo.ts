import { z } from 'zod'
import { activity } from '../activity.ts'

/** Puts out what it was given: the smallest step there is. */
export const textEcho = activity({
  name: 'text_echo',
  category: 'text',
  description: 'Puts out the text it was given. Good for a first workflow, and for giving a value a name.',
  parameters: z.object({
    text: z.unknown().describe('What to put out. Text as a rule; any other value is put out as it is.'),
  }),
  outputs: z.object({ text: z.unknown().describe('The same value.') }),
  example: { activity: 'text_echo', text_path: 'init_params.text' },
  gotchas: ['A value that is not text stays what it is: an object comes out as an object, not as JSON text.'],
  pure: true,
  async run({ text }) {
    return { text }
  },
})
