import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { activity } from '../activity.ts'
import { readText } from './read-text.ts'

const uploadedPath = (filePaths: unknown, index: number): string => {
  const paths = Array.isArray(filePaths) ? filePaths : []
  const path = paths[index]
  if (typeof path === 'string' && path !== '') return path
  const count = paths.length === 1 ? 'the run has one file' : `the run has ${paths.length || 'no'} files`
  throw new AppError('reference_missing', `There is no uploaded file number ${index}: ${count}`, {
    hint: 'Send the file in the form field `files` of the run, or list its path in init_params.file_paths. file_index counts from 0.',
  })
}

/** Reads a file sent with the run as text. */
export const readUploadedFile = activity({
  name: 'read_uploaded_file',
  category: 'files',
  lenient: true,
  description: 'Reads a file that was uploaded with the run, as text.',
  parameters: z.object({
    file_index: z
      .number()
      .int()
      .min(0)
      .default(0)
      .describe('Index of the file in init_params.file_paths, counted from 0.'),
  }),
  outputs: z.object({
    content: z.string().describe('The text of the file.'),
    text: z.string().describe('The same text.'),
    path: z.string().describe('Storage path of the file.'),
    content_type: z.string().describe('Content type it was uploaded with.'),
    filename: z.string().describe('Name it was uploaded with.'),
  }),
  example: { activity: 'read_uploaded_file', file_index: 0 },
  gotchas: [
    'Only text is read: UTF-8, UTF-16 with a byte order mark, or the charset it was uploaded with. PDF, Word, images ' +
      'and other formats fail the step with a message that names the alternative.',
    'At most 30 MiB.',
  ],
  async run({ file_index }, context) {
    const { text, file } = await readText(context, uploadedPath(context.initParams.file_paths, file_index))
    return { content: text, text, path: file.path, content_type: file.content_type, filename: file.name }
  },
})
