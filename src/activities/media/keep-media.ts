import { atATime } from '../../lib/at-a-time.ts'
import { AppError } from '../../lib/errors.ts'
import { type MediaKind, mediaFileOf } from '../../lib/files/media-file.ts'
import { readDataUri } from '../../lib/text/data-uri.ts'
import type { PredictedFile, Prediction } from '../../model/gateway/prediction.ts'
import type { ActivityContext, Json, MediaObject } from '../activity.ts'

/** A file that a model has made, kept; `from` is the text of the output that stood for it. */
export interface Kept {
  from: string
  kind: MediaKind
  file: MediaObject
}

/** Each may be as large as a fetch may be, and is in memory as it is stored. */
const fetchesAtATime = 3
/** Videos are large. */
const fetchSeconds = 600

/** Bytes of a model become a file of the step; what they are is told by themselves. */
export const keepBytes = async (
  bytes: Uint8Array,
  announcedType: string,
  context: ActivityContext,
): Promise<Pick<Kept, 'kind' | 'file'>> => {
  const { kind, ...file } = await mediaFileOf(bytes, announcedType)
  return { kind, file: await context.files.save(file) }
}

const isUrl = (text: string): boolean => /^https?:\/\/[^\s"'<>]+$/i.test(text)

/** The texts of an output that stand for files: those that are a URL or a data URI and nothing else, each once. */
export const filesIn = (output: Json, found: Set<string> = new Set()): Set<string> => {
  if (typeof output === 'string') {
    if (isUrl(output) || readDataUri(output)) found.add(output)
  } else if (typeof output === 'object' && output !== null) {
    for (const part of Object.values(output)) filesIn(part, found)
  }
  return found
}

/** The output with every data URI replaced by what `paths` has for it. */
export const withoutDataUris = (output: Json, paths: ReadonlyMap<string, string>): Json => {
  if (typeof output === 'string') return paths.get(output) ?? (readDataUri(output) ? '[not kept]' : output)
  if (Array.isArray(output)) return output.map((part) => withoutDataUris(part, paths))
  if (typeof output !== 'object' || output === null) return output
  return Object.fromEntries(Object.entries(output).map(([name, part]) => [name, withoutDataUris(part, paths)]))
}

/** A file that its makers keep must come; what a model merely links to may be out of reach. */
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

const keepOne = async (from: string, prediction: Prediction, context: ActivityContext): Promise<Kept | undefined> => {
  const found = readDataUri(from) ?? (await fetched(from, prediction, context))
  return found && { from, ...(await keepBytes(found.bytes, found.type, context)) }
}

/** Stores every file of a prediction, in the order of its output. */
export const keepFiles = async (prediction: Prediction, context: ActivityContext): Promise<Kept[]> => {
  const all = [...filesIn(prediction.output)]
  const most = context.settings.mediaFiles
  if (all.length > most) {
    context.warn(`the output has ${all.length} files, of which ${most} were stored (JETTY_MAX_MEDIA_FILES)`)
  }
  const kept = await atATime(fetchesAtATime, all.slice(0, most), (from) => keepOne(from, prediction, context))
  return kept.filter((one) => one !== undefined)
}
