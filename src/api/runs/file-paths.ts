import type { Queries } from '../../database/database.ts'
import { AppError, type FieldIssue } from '../../lib/errors.ts'
import { resolveFiles } from '../../store/files/uploads.ts'

/** At most this many faults are listed. */
const listedIssues = 50

/** What a caller wrote where paths of files are expected, and where it stands in the request. */
export interface GivenFiles {
  given: unknown[]
  loc: (string | number)[]
}

/**
 * The lists with every entry as a storage path of the collection: ids of uploads are replaced by their paths. Throws the
 * 422 that names each entry that leads to no file.
 */
export const resolvedLists = async (
  queries: Queries,
  collection: { id: number; name: string },
  lists: GivenFiles[],
): Promise<string[][]> => {
  const texts = lists
    .flatMap(({ given }) => given)
    .filter((entry): entry is string => typeof entry === 'string' && !entry.includes('\0'))
  const paths = texts.length > 0 ? await resolveFiles(queries, collection.id, texts) : new Map<string, string>()
  const issues: FieldIssue[] = []
  const resolved = lists.map(({ given, loc }) =>
    given.map((entry, at): string => {
      const path = typeof entry === 'string' ? paths.get(entry) : undefined
      if (path === undefined && issues.length < listedIssues) issues.push(issueOf(entry, [...loc, at], collection.name))
      return path ?? ''
    }),
  )
  if (issues.length > 0) throw new AppError('invalid', 'file_paths names files that are not there', { issues })
  return resolved
}

/** The parameters of a run with its `file_paths` resolved so. */
export const withResolvedFiles = async (
  queries: Queries,
  collection: { id: number; name: string },
  initParams: Record<string, unknown>,
): Promise<Record<string, unknown>> => {
  const given = initParams.file_paths
  if (!Array.isArray(given) || given.length === 0) return initParams
  const [resolved] = await resolvedLists(queries, collection, [{ given, loc: ['body', 'init_params', 'file_paths'] }])
  return { ...initParams, file_paths: resolved }
}

const issueOf = (entry: unknown, loc: FieldIssue['loc'], collection: string): FieldIssue => ({
  loc,
  msg:
    typeof entry === 'string'
      ? `There is no file '${clip(entry)}' in collection '${collection}'; give a path or an id as an upload answered it`
      : 'Expected the storage path of a file, or the id of an upload',
  type: typeof entry === 'string' ? 'file_missing' : 'string_expected',
})

const clip = (text: string): string => (text.length > 200 ? `${text.slice(0, 199)}…` : text)
