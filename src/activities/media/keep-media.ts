import { atATime } from '../../lib/at-a-time.ts'
import { AppError } from '../../lib/errors.ts'
import { type MediaKind, mediaFileOf } from '../../lib/files/media-file.ts'
import { readDataUri } from '../../lib/text/data-uri.ts'
import type { PredictedFile, Prediction } from '../../model/gateway/prediction.ts'
import type { ActivityContext, Json, MediaObject } from '../activity.ts'

/** A stored file made by a model; `from` is the output's text that referred to it. */
export interface StoredMedia {
  from: string
  kind: MediaKind
  file: MediaObject
}

/** Each may be as large as the fetch limit, and is in memory while it is stored. */
const fetchesAtATime = 3
/** Videos are large. */
const fetchSeconds = 600

/** Stores a model's bytes as a file of the step; the type is detected from the bytes. */
export const keepBytes = async (
  bytes: Uint8Array,
  announcedType: string,
  context: ActivityContext,
): Promise<Pick<StoredMedia, 'kind' | 'file'>> => {
  const { kind, ...file } = await mediaFileOf(bytes, announcedType)
  return { kind, file: await context.files.save(file) }
}

const isUrl = (text: string): boolean => /^https?:\/\/[^\s"'<>]+$/i.test(text)

/** Texts in an output that are exactly a URL or a data URI, each once. */
export const filesIn = (output: Json, found: Set<string> = new Set()): Set<string> => {
  if (typeof output === 'string') {
    if (isUrl(output) || readDataUri(output)) found.add(output)
  } else if (typeof output === 'object' && output !== null) {
    for (const part of Object.values(output)) filesIn(part, found)
  }
  return found
}

/** Replaces every data URI in the output by its storage path. */
export const withoutDataUris = (output: Json, paths: ReadonlyMap<string, string>): Json => {
  if (typeof output === 'string') return paths.get(output) ?? (readDataUri(output) ? '[not stored]' : output)
  if (Array.isArray(output)) return output.map((part) => withoutDataUris(part, paths))
  if (typeof output !== 'object' || output === null) return output
  return Object.fromEntries(Object.entries(output).map(([name, part]) => [name, withoutDataUris(part, paths)]))
}

/**
 * Fetches a file. A file hosted by the model's provider must arrive; one the model merely links to may be unreachable.
 */
const fetched = async (
  url: string,
  prediction: Prediction,
  context: ActivityContext,
): Promise<PredictedFile | undefined> => {
  try {
    return await prediction.file(url, (away) => context.fetch(away, { timeoutSeconds: fetchSeconds }))
  } catch (error) {
    if (prediction.keeps(url) || !(error instanceof AppError) || error.code === 'cancelled') throw error
    context.warn(`a link in the output was not stored: ${error.message}`)
    return undefined
  }
}

const keepOne = async (
  from: string,
  prediction: Prediction,
  context: ActivityContext,
): Promise<StoredMedia | undefined> => {
  const found = readDataUri(from) ?? (await fetched(from, prediction, context))
  return found && { from, ...(await keepBytes(found.bytes, found.type, context)) }
}

/** Stores the files of a prediction, in output order. */
export const keepFiles = async (prediction: Prediction, context: ActivityContext): Promise<StoredMedia[]> => {
  const all = [...filesIn(prediction.output)]
  const most = context.settings.mediaFiles
  if (all.length > most) {
    context.warn(`the output has ${all.length} files, of which ${most} were stored (JETTY_MAX_MEDIA_FILES)`)
  }
  const kept = await atATime(fetchesAtATime, all.slice(0, most), (from) => keepOne(from, prediction, context))
  return kept.filter((one) => one !== undefined)
}
