import { type FileFormat, fileFormatOf } from './file-format.ts'
import { essenceOf, extensionFor, isTextType } from './media-type.ts'

export type MediaKind = 'image' | 'video' | 'audio' | 'file'

/** Bytes as a file: what they are, and how it is called. */
export interface MediaFile {
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

/** Texts give nothing away by their bytes, SVG among them: for those alone the word of whoever sent them counts. */
const announced = (type: string, found: FileFormat | undefined): FileFormat | undefined => {
  const extension = extensionFor(type)
  const isText = found === undefined || found.mime === 'application/xml'
  return isText && extension !== undefined && isTextType(type) ? { ext: extension, mime: essenceOf(type) } : undefined
}

/** What came from a model, as a file: its type is told by its bytes, and its name by its type (`image.png`). */
export const mediaFileOf = async (bytes: Uint8Array, announcedType: string): Promise<MediaFile> => {
  const found = await fileFormatOf(bytes)
  const { ext, mime } = announced(announcedType, found) ?? found ?? { ext: 'bin', mime: 'application/octet-stream' }
  const kind = kindOf(mime)
  return { kind, name: `${kind}.${ext}`, content_type: mime, body: bytes }
}
