import { AppError } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { decodeFileText } from '../../lib/text/text-encoding.ts'
import type { ActivityContext, Json } from '../activity.ts'

const longestPath = 1024
/** Path after the collection of a file that a run made or received, or of an upload. */
const storedFile = /^(?:[^/\n]+\/0000|_sandbox_uploads\/[^/\n]+)\/[^/\n]+$/

/** Storage path of a file item: a text, or a file object as steps output it. */
const filePathOf = (item: Json, collection: string): string | undefined => {
  const isFileObject = isObject(item) && typeof item.content_type === 'string'
  const path = isFileObject ? item.path : item
  if (typeof path !== 'string' || path.length > longestPath || !path.startsWith(`${collection}/`)) return undefined
  return storedFile.test(path.slice(collection.length + 1)) ? path : undefined
}

/** Files of an item: one, or a list of only files, such as the results of a runbook. */
const filePathsOf = (item: Json, collection: string): string[] => {
  const paths = (Array.isArray(item) ? item : [item]).map((one: Json) => filePathOf(one, collection))
  return paths.every((path) => path !== undefined) ? paths : []
}

/** Whether an item refers to stored files: their content is judged, not their paths. */
export const isStored = (item: Json, collection: string): boolean => filePathsOf(item, collection).length > 0

const textOf = async (path: string, { files, settings }: ActivityContext): Promise<{ name: string; text: string }> => {
  const file = await files.open(path)
  if (file.size > settings.modelFileBytes) {
    throw new AppError(
      'too_large',
      `simple_judge: '${file.name}' has ${byteSize(file.size)}; a file for a model may have at most ${byteSize(settings.modelFileBytes)}`,
      { hint: 'Judge a part of it, or raise JETTY_MAX_MODEL_FILE_BYTES.' },
    )
  }
  const { text } = await decodeFileText(await file.bytes(), { name: file.name, contentType: file.content_type })
  return { name: file.name, text }
}

/** Reads the files of an item, each under its name when there are several; undefined for none. */
export const storedText = async (item: Json, context: ActivityContext): Promise<string | undefined> => {
  const paths = filePathsOf(item, context.run.collection)
  if (paths.length === 0) return undefined
  const read: Awaited<ReturnType<typeof textOf>>[] = []
  for (const path of paths) read.push(await textOf(path, context))
  const [first] = read
  if (read.length === 1 && first) return first.text
  return read.map(({ name, text }) => `${name}:\n${text}`).join('\n\n')
}
