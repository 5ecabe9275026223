import { z } from 'zod'
import { activity } from '../activity.ts'
import { readText } from './read-text.ts'

/** Reads a stored file of the collection as text. */
export const readTextFile = activity({
  name: 'read_text_file',
  category: 'files',
  lenient: true,
  description: 'Reads a stored file of the collection as text.',
  parameters: z.object({
    file_path: z.string().min(1).describe('Storage path, for example from the outputs of an earlier step.'),
  }),
  outputs: z.object({
    content: z.string().describe('The text of the file.'),
    text: z.string().describe('The same text.'),
    path: z.string().describe('Storage path of the file.'),
  }),
  example: { activity: 'read_text_file', file_path_expr: 'init_params.file_paths[0]' },
  gotchas: [
    'file_path accepts a storage path or a path expression such as save.outputs.path; file_path_expr accepts only path expressions.',
    'Only text is read, at most 30 MiB; other formats fail with a message that names the alternative.',
  ],
  async run({ file_path }, context) {
    const { text, file } = await readText(context, file_path)
    return { content: text, text, path: file.path }
  },
})
