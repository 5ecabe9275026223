import { AppError } from '../../lib/errors.ts'
import { mediaFileOf } from '../../lib/files/media-file.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import type { PredictionOptions } from '../../model/gateway/prediction.ts'
import type { ActivityContext, FileContent, Json } from '../activity.ts'

/** Maximum bytes of an inline file; Replicate wants larger ones at a URL. */
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
    const message = `'${file.name}' has ${byteSize(file.size)}; a file for a model may have at most ${byteSize(most)}`
    throw new AppError('too_large', message, { hint: 'Make the file smaller, or raise JETTY_MAX_MODEL_FILE_BYTES.' })
  }
  const bytes = await file.bytes()
  const { content_type: type } = await mediaFileOf(bytes, file.content_type)
  if (bytes.length <= mostInline) return `data:${type};base64,${Buffer.from(bytes).toString('base64')}`
  return context.models.uploadInput({ name: file.name, type, bytes }, options)
}

const tooMany = (most: number): AppError =>
  new AppError('too_large', `The input names more than ${most} stored files, the maximum for a model`, {
    hint: 'Send fewer files, or raise JETTY_MAX_MEDIA_FILES.',
  })

/** Replaces each storage path in an input by the file's content. */
export const withFiles = async (
  input: Record<string, Json>,
  context: ActivityContext,
  options: PredictionOptions,
): Promise<Record<string, Json>> => {
  const most = context.settings.mediaFiles
  let count = 0
  // Sequential: each may be large.
  const filled = async (value: Json): Promise<Json> => {
    if (typeof value === 'string') {
      const file = mayBePath(value, context) ? await openIfThere(value, context) : undefined
      if (!file) return value
      count += 1
      if (count > most) throw tooMany(most)
      return sent(file, context, options)
    }
    if (typeof value !== 'object' || value === null) return value
    if (!Array.isArray(value)) return filledObject(value)
    const items: Json[] = []
    for (const item of value) items.push(await filled(item))
    return items
  }
  const filledObject = async (value: object): Promise<Record<string, Json>> => {
    const entries: [string, Json][] = []
    for (const [name, part] of Object.entries(value)) entries.push([name, await filled(part)])
    return Object.fromEntries(entries)
  }
  return filledObject(input)
}
