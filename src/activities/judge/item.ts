import { AppError } from '../../lib/errors.ts'
import { modelImage } from '../../lib/model-image.ts'
import { asText } from '../../lib/text/as-text.ts'
import type { ChatPart } from '../../model/gateway/chat.ts'
import type { ActivityContext, Json } from '../activity.ts'
import { storedText } from './stored-text.ts'

const imageName = /\.(?:webp|png|jpe?g|gif)$/i
const longestPath = 1024

/** Storage path of an image item: a text, or a file object as steps output it. */
const imagePathOf = (item: Json, collection: string): string | undefined => {
  const path = typeof item === 'object' && item !== null ? (item as { path?: unknown }).path : item
  if (typeof path !== 'string' || path.length > longestPath || !imageName.test(path)) return undefined
  if (path.startsWith(`${collection}/`)) return path.includes('\n') ? undefined : path
  // A path to a file that this run may not read must be refused, not judged as text.
  return /^[A-Za-z0-9_][A-Za-z0-9._-]*\/\S+$/.test(path) ? path : undefined
}

const isImageUrl = (item: Json): item is string =>
  typeof item === 'string' && /^https?:\/\/\S+$/i.test(item) && imageName.test(item.split(/[?#]/, 1)[0] ?? '')

const imagePart = (url: string): ChatPart => ({ type: 'image_url', image_url: { url } })

/** Whether an item is an image, which is sent to the model as such. */
export const isImage = (item: Json, collection: string): boolean =>
  imagePathOf(item, collection) !== undefined || isImageUrl(item)

/** Checks the number of images: one request carries them all, each in full. */
export const checkImageCount = (items: Json[], { run, settings }: ActivityContext): void => {
  const count = items.filter((item) => imagePathOf(item, run.collection) !== undefined).length
  if (count <= settings.mediaFiles) return
  throw new AppError(
    'too_large',
    `simple_judge got ${count} images to compare; at most ${settings.mediaFiles} are allowed`,
    {
      hint: 'Compare fewer images, or raise JETTY_MAX_MEDIA_FILES.',
    },
  )
}

/** Converts an item for the model: a stored image as an image, other files as their text, anything else as text. */
export const shownItem = async (item: Json, context: ActivityContext): Promise<string | ChatPart> => {
  const path = imagePathOf(item, context.run.collection)
  if (path !== undefined) {
    return imagePart(await modelImage(await context.files.open(path), context.settings.modelFileBytes))
  }
  if (isImageUrl(item)) return imagePart(item)
  if (typeof item === 'string' && /^data:image\//i.test(item)) {
    throw new AppError('parameter_invalid', 'simple_judge does not accept an image as a data URI', {
      hint: 'Upload the image with the run, and pass its storage path.',
    })
  }
  const text = (await storedText(item, context)) ?? asText(item)
  if (text.trim() === '') context.warn('simple_judge: an item is empty')
  else if (text.length <= longestPath && /^\S+$/.test(text) && imageName.test(text)) {
    context.warn(
      `simple_judge: '${text}' is not a storage path and is judged as text; pass the path of the stored image`,
    )
  }
  return text
}
