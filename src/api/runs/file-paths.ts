import { AppError, type FieldIssue } from '../../lib/errors.ts'
import type { Queries } from '../../store/database/database.ts'
import { resolveFiles } from '../../store/files/uploads.ts'

/** Maximum number of listed issues. */
const listedIssues = 50

/** File paths as the caller wrote them, with the field that has them. */
interface GivenFiles {
  given: unknown[]
  loc: (string | number)[]
}

/**
 * Resolves lists of files to storage paths of the collection; upload ids are replaced. Throws a 422 that names each
 * unknown entry.
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
  if (issues.length > 0) throw new AppError('invalid', 'file_paths names files that do not exist', { issues })
  return resolved
}

/** Resolves the `file_paths` of a run's parameters. */
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
      ? `There is no file '${clip(entry)}' in collection '${collection}'; use a path or an id from the response of an upload`
      : 'Expected the storage path of a file, or the id of an upload',
  type: typeof entry === 'string' ? 'file_missing' : 'string_expected',
})

const clip = (text: string): string => (text.length > 200 ? `${text.slice(0, 199)}…` : text)
