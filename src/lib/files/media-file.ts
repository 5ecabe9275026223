import { essenceOf, extensionFor, isTextType } from './media-type.ts'

/** Extension (no dot) and content type. */
interface FileFormat {
  ext: string
  mime: string
}

/** Detects a file's format from its bytes; undefined for plain text. */
export const fileFormatOf = async (bytes: Uint8Array): Promise<FileFormat | undefined> => {
  // Loaded on first use: it would cost 50 ms at start.
  const { fileTypeFromBuffer } = await import('file-type')
  return fileTypeFromBuffer(bytes).catch(() => undefined)
}

export type MediaKind = 'image' | 'video' | 'audio' | 'file'

/** Bytes with their type and file name. */
interface MediaFile {
  kind: MediaKind
  name: string
  content_type: string
  body: Uint8Array
}

const kinds: readonly string[] = ['image', 'video', 'audio']

const kindOf = (type: string): MediaKind => {
  const family = type.split('/', 1)[0]!
  return kinds.includes(family) ? (family as MediaKind) : 'file'
}

/** Text formats, SVG among them, cannot be detected from bytes: only for them the sender's declared type counts. */
const announced = (type: string, found: FileFormat | undefined): FileFormat | undefined => {
  const extension = extensionFor(type)
  const isText = found === undefined || found.mime === 'application/xml'
  return isText && extension !== undefined && isTextType(type) ? { ext: extension, mime: essenceOf(type) } : undefined
}

/** Names bytes that a model returned: the type is detected from the bytes, the name follows the type (`image.png`). */
export const mediaFileOf = async (bytes: Uint8Array, announcedType: string): Promise<MediaFile> => {
  const found = await fileFormatOf(bytes)
  const { ext, mime } = announced(announcedType, found) ?? found ?? { ext: 'bin', mime: 'application/octet-stream' }
  const kind = kindOf(mime)
  return { kind, name: `${kind}.${ext}`, content_type: mime, body: bytes }
}
