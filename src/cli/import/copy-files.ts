import { attempt, type CopyContext } from './copy-context.ts'

/** Files of one value that are looked at. */
const mostPaths = 1_000

/** Storage paths behind the name of their collection: files of runs, uploads, and data of datasets. */
const places = /^\/(?:[^/]+\/0000|_sandbox_uploads\/[^/]+|_datasets\/[^/]+)\/[^/]+$/

const isPath = (text: string, collection: string): boolean =>
  text.length < 1_024 && text.startsWith(`${collection}/`) && places.test(text.slice(collection.length))

/** Texts in a value that are storage paths of a collection. */
export const pathsIn = (value: unknown, collection: string): string[] => {
  const found = new Set<string>()
  const open: unknown[] = [value]
  for (let next = open.pop(); next !== undefined && found.size < mostPaths; next = open.pop()) {
    if (typeof next === 'string') {
      if (isPath(next, collection)) found.add(next)
    } else if (typeof next === 'object' && next !== null) open.push(...Object.values(next))
  }
  return [...found]
}

/** Replaces texts of a value by others, whole texts only. */
const withPaths = (value: unknown, paths: Readonly<Record<string, string>>): unknown => {
  if (typeof value === 'string') return Object.hasOwn(paths, value) ? paths[value] : value
  if (Array.isArray(value)) return value.map((one) => withPaths(one, paths))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, withPaths(one, paths)]))
}

const copyFile = async ({ fetchSource, target, log }: CopyContext, collection: string, path: string) => {
  const answer = (await fetchSource('downloadFile', { params: { path }, asResponse: true })) as Response
  const type = answer.headers.get('content-type') ?? 'application/octet-stream'
  const content = new Blob([await answer.arrayBuffer()], { type })
  const name = path.slice(path.lastIndexOf('/') + 1)
  const uploaded = await target.uploadFile({ body: { collection }, files: [{ field: 'file', name, content }] })
  log.noteFile(path, uploaded.path)
  log.count('files')
}

/** Copies the files that a value names, as far as they exist, and returns the value with their new paths. */
export const withCopiedFiles = async (context: CopyContext, collection: string, value: unknown): Promise<unknown> => {
  if (!context.copiesFiles) return value
  const { files } = context.log.state
  for (const path of pathsIn(value, collection)) {
    context.signal.throwIfAborted()
    if (!Object.hasOwn(files, path)) await attempt(context, path, () => copyFile(context, collection, path))
  }
  return withPaths(value, files)
}
