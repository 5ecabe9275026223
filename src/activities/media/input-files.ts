import { byteSize } from '../../lib/byte-size.ts'
import { AppError } from '../../lib/errors.ts'
import { mediaFileOf } from '../../lib/media-file.ts'
import type { PredictionOptions } from '../../model/prediction.ts'
import type { ActivityContext, FileContent, Json } from '../activity.ts'

/** Replicate wants larger ones at a URL of its own. */
const mostInline = 256 * 1024
const longestPath = 1024

const mayBePath = (text: string, { run }: ActivityContext): boolean =>
  text.length <= longestPath && text.startsWith(`${run.collection}/`) && !/[\r\n]/.test(text)

const openIfThere = async (path: string, context: ActivityContext): Promise<FileContent | undefined> => {
  try {
    return await context.files.open(path)
  } catch (error) {
    if (error instanceof AppError && (error.code === 'not_found' || error.code === 'bad_request')) return undefined
    throw error
  }
}

const sent = async (file: FileContent, context: ActivityContext, options: PredictionOptions): Promise<string> => {
  const most = context.settings.modelFileBytes
  if (file.size > most) {
    const message = `'${file.name}' has ${byteSize(file.size)}; a file that a model is sent may have ${byteSize(most)}`
    throw new AppError('too_large', message, { hint: 'Make it smaller, or raise JETTY_MAX_MODEL_FILE_BYTES.' })
  }
  const bytes = await file.bytes()
  const { content_type: type } = await mediaFileOf(bytes, file.content_type)
  if (bytes.length <= mostInline) return `data:${type};base64,${Buffer.from(bytes).toString('base64')}`
  return context.models.uploadInput({ name: file.name, type, bytes }, options)
}

/** An input in which each storage path of a file stands for the file: the model is sent what it is the path of. */
export const withFiles = async (input: Json, context: ActivityContext, options: PredictionOptions): Promise<Json> => {
  if (typeof input === 'string') {
    const file = mayBePath(input, context) ? await openIfThere(input, context) : undefined
    return file ? sent(file, context, options) : input
  }
  if (Array.isArray(input)) return Promise.all(input.map((part) => withFiles(part, context, options)))
  if (typeof input !== 'object' || input === null) return input
  const entries: [string, Json][] = []
  for (const [name, part] of Object.entries(input)) entries.push([name, await withFiles(part, context, options)])
  return Object.fromEntries(entries)
}
