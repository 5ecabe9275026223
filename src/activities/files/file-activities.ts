import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { globMatcher } from '../../lib/files/glob.ts'
import { fileFormatOf } from '../../lib/files/media-file.ts'
import { contentTypeOf, essenceOf, extensionOf, isTextType } from '../../lib/files/media-type.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { decodeFileText } from '../../lib/text/text-encoding.ts'
import { mediaObjectSchema } from '../../model/gateway/media-object.ts'
import { type ActivityContext, activity, type FileContent, type Json } from '../activity.ts'

// Half of the output limit of 64 MiB, less a margin: the text is output twice, as `content` and `text`.
const maxTextBytes = 30 * 1024 * 1024

/**
 * Reads a stored file as text. Throws for files above the limit and for files that are not text, naming their format.
 */
const readText = async (context: ActivityContext, path: string): Promise<{ text: string; file: FileContent }> => {
  const file = await context.files.open(path)
  if (file.size > maxTextBytes) {
    throw new AppError(
      'output_too_large',
      `'${file.name}' has ${byteSize(file.size)}; a step can read at most ${byteSize(maxTextBytes)} of text`,
      { hint: 'Split the file before uploading it.' },
    )
  }
  const decoded = await decodeFileText(await file.bytes(), { name: file.name, contentType: file.content_type })
  if (decoded.guessed) {
    context.warn(`'${file.name}' is not UTF-8 and has no charset: read as ${decoded.encoding}`, { path })
  }
  return { text: decoded.text, file }
}

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

const file = z.union([z.string(), z.record(z.string(), z.unknown())])
const pattern = z.string().min(1).max(1000)

const fromPath = (path: string): Record<string, Json> => {
  const name = path.slice(path.lastIndexOf('/') + 1)
  return { path, name, extension: extensionOf(name), content_type: contentTypeOf(name) }
}

/** Field of a file; a missing name, extension or content type is derived from its path. */
const fieldOf = (entry: Record<string, Json>, field: string): string | undefined => {
  const derived = typeof entry.path === 'string' ? fromPath(entry.path) : {}
  const value = Object.hasOwn(entry, field) ? entry[field] : Object.hasOwn(derived, field) ? derived[field] : undefined
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}

/** Selects files from a list by glob patterns. */
export const selectFiles = activity({
  name: 'select_files',
  category: 'files',
  lenient: true,
  description: 'Selects the files of a list whose name, or another field, matches one of the patterns.',
  parameters: z.object({
    files: z
      .union([z.array(file), z.string()])
      .describe('Storage paths, or file objects from the outputs of steps; usually set by files_path.'),
    patterns: z
      .union([z.array(pattern).min(1), pattern])
      .describe(
        'Glob patterns: * within a name, ** across folders, ? for one character. A file must match at least one.',
      ),
    match_field: z
      .string()
      .default('name')
      .describe('Field to match: name, path, content_type, extension, or any other field of the objects.'),
  }),
  outputs: z.object({
    files: z.array(z.record(z.string(), z.unknown())).describe('The matching file objects, in the order of the list.'),
    count: z.number().int().describe('Number of matching files.'),
  }),
  example: {
    activity: 'select_files',
    files_path: 'init_params.file_paths',
    patterns: ['*.md', '*.txt'],
    match_field: 'name',
  },
  gotchas: [
    'Matching is case-sensitive: *.PNG does not match cat.png.',
    'The name in a storage path is its last segment, which begins with the id of the run: write *report.md.',
    'If no file matches, count is 0 and the step succeeds.',
  ],
  pure: true,
  async run({ files, patterns, match_field }, context) {
    const entries = (typeof files === 'string' ? [files] : files).map((entry) =>
      typeof entry === 'string' ? fromPath(entry) : entry,
    )
    const matchers = (typeof patterns === 'string' ? [patterns] : patterns).map(globMatcher)
    const values = entries.map((entry) => fieldOf(entry, match_field))
    if (entries.length > 0 && values.every((value) => value === undefined)) {
      context.warn(`none of the ${entries.length} files has a field '${match_field}', so none matches`)
    }
    const selected = entries.filter((_, index) => {
      const value = values[index]
      return value !== undefined && matchers.some((matches) => matches(value))
    })
    return { files: selected, count: selected.length }
  },
})

const maxBytes = 50 * 1024 * 1024

/** File name from a URL, with the extension of the detected type. */
const nameFrom = (url: string, extension: string): string => {
  const last = new URL(url).pathname.split('/').pop() ?? ''
  let name = last
  try {
    name = decodeURIComponent(last)
  } catch {
    // A stray percent sign: keep the undecoded name.
  }
  const stem = name
    .replace(/[/\\\p{Cc}\p{Cs}]/gu, '')
    .replace(/\.[A-Za-z0-9]{1,5}$/, '')
    .slice(0, 100)
    .trim()
  return `${stem.replaceAll('.', '') === '' ? 'image' : stem}.${extension}`
}

/** Downloads and stores an image. */
export const downloadImage = activity({
  name: 'download_image',
  category: 'files',
  effects: 'reads',
  lenient: true,
  description: 'Downloads an image from a public URL and stores it, so that later steps can use its path.',
  parameters: z.object({
    url: z.string().min(1).describe('http or https URL of the image.'),
  }),
  outputs: z.object({ images: z.array(mediaObjectSchema).describe('A list with the stored image.') }),
  example: { activity: 'download_image', url: 'https://example.com/cat.png' },
  gotchas: [
    'The format is taken from the content of the file, not from its name or the server. SVG is not accepted: it is a document.',
    'At most 50 MiB. Private addresses are refused unless JETTY_ALLOW_PRIVATE_NETWORK lists them.',
  ],
  async run({ url }, context) {
    const answer = await context.fetch(url, { maxBytes, timeoutSeconds: 120, headers: { accept: 'image/*' } })
    const from = url.split(/[?#]/, 1)[0]
    if (answer.status < 200 || answer.status > 299) {
      throw new AppError('upstream_failed', `Downloading ${from} failed: it answered with status ${answer.status}`, {
        hint: 'Check that the URL can be opened without signing in.',
        retryable: answer.status === 429 || answer.status >= 500,
      })
    }
    const bytes = await answer.bytes()
    const found = await fileFormatOf(bytes)
    if (!found?.mime.startsWith('image/')) {
      const what = found ? found.mime : essenceOf(answer.headers['content-type'] ?? '') || 'another kind of file'
      throw new AppError('activity_failed', `The response of ${from} is not an image in a known format, but ${what}`, {
        hint: 'Use the URL of the image itself, not of a page that shows it.',
      })
    }
    const image = await context.files.save({
      name: nameFrom(answer.url, found.ext),
      content_type: found.mime,
      body: bytes,
    })
    return { images: [image] }
  },
})
