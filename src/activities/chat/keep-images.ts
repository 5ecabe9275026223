import { mediaFileOf } from '../../lib/files/media-file.ts'
import { readDataUri, replaceDataUris } from '../../lib/text/data-uri.ts'
import type { ModelAnswer } from '../../model/gateway/chat.ts'
import type { ActivityContext, MediaObject } from '../activity.ts'

const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])

/** Image parts of an answer: providers put `{type: "image_url", image_url: {url}}` into either list. */
const partsOf = ({ completion }: ModelAnswer): string[] => {
  const message = completion.choices[0]?.message
  return [...listOf(member(message, 'images')), ...listOf(message?.content)]
    .map((part) => member(member(part, 'image_url'), 'url'))
    .filter((url) => typeof url === 'string')
}

/** Stores the images of an answer and replaces each in its text by the storage path. */
export const keepImages = async (
  answer: ModelAnswer,
  context: ActivityContext,
): Promise<{ text: string; images: MediaObject[] }> => {
  const images: MediaObject[] = []
  const keep = async ({ type, bytes }: { type: string; bytes: Uint8Array }): Promise<string> => {
    if (images.length >= context.settings.mediaFiles) return '[not stored: JETTY_MAX_MEDIA_FILES]'
    const { kind: _, ...file } = await mediaFileOf(bytes, type)
    const saved = await context.files.save(file)
    images.push(saved)
    return saved.path
  }
  const text = await replaceDataUris(answer.text, keep)
  for (const url of partsOf(answer)) {
    const inline = readDataUri(url)
    if (inline) await keep(inline)
  }
  return { text, images }
}
