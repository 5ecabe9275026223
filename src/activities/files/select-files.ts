import { z } from 'zod'
import { globMatcher } from '../../lib/files/glob.ts'
import { contentTypeOf, extensionOf } from '../../lib/files/media-type.ts'
import { activity, type Json } from '../activity.ts'

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
