import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { contentTypeOf, isTextType } from '../../lib/files/media-type.ts'
import { mediaObjectSchema } from '../../model/gateway/media-object.ts'
import { activity } from '../activity.ts'

/** Removes folders and control characters from a name; the store validates it again. */
const safeName = (filename: string): string => {
  const base = filename
    .slice(Math.max(filename.lastIndexOf('/'), filename.lastIndexOf('\\')) + 1)
    .replace(/[\p{Cc}\p{Cs}]/gu, '')
    .trim()
  return base === '' || base === '.' || base === '..' ? 'output.txt' : base
}

/** Stores a text as a file. */
export const saveTextFile = activity({
  name: 'save_text_file',
  category: 'files',
  lenient: true,
  description: 'Saves a text as a UTF-8 file, for download and for later steps.',
  parameters: z.object({
    text: z.unknown().optional().describe('The value to save; a value that is not text is saved as indented JSON.'),
    content: z.unknown().optional().describe('Alternative name of text; if both are set, text is used.'),
    filename: z
      .string()
      .default('output.txt')
      .describe('File name with an extension; the extension sets the content type.'),
  }),
  outputs: z.object({
    path: z.string().describe('Storage path of the file.'),
    extension: z.string().describe('Extension of the file, without the dot.'),
    content_type: z.string().describe('Content type, derived from the extension.'),
    files: z.array(mediaObjectSchema).describe('A list with the saved file.'),
  }),
  example: { activity: 'save_text_file', text_path: 'init_params.text', filename: 'report.md' },
  gotchas: [
    'Folders in filename are removed.',
    'The text is not converted: under a name like report.pdf it is still plain text, and the step carries a warning.',
  ],
  async run({ text, content, filename }, context) {
    const value = text ?? content
    if (value === undefined || value === null) {
      throw new AppError('parameter_invalid', 'save_text_file needs the parameter text or content', {
        hint: 'Set `text` or `text_path`.',
      })
    }
    const name = safeName(filename)
    const promised = contentTypeOf(name)
    if (!isTextType(promised) && promised !== 'application/octet-stream') {
      context.warn(`'${name}' contains plain text, although its name says ${promised}`)
    }
    const file = await context.files.save({
      name,
      content_type: isTextType(promised) ? promised : 'text/plain',
      body: typeof value === 'string' ? value : `${JSON.stringify(value, null, 2)}\n`,
    })
    return { path: file.path, extension: file.extension, content_type: file.content_type, files: [file] }
  },
})
