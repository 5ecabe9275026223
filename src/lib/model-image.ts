import { AppError } from './errors.ts'
import { fileFormatOf } from './files/media-file.ts'
import { byteSize } from './settings/byte-size.ts'

/** Image types that all providers accept. */
const imageTypes = new Set(['image/webp', 'image/png', 'image/jpeg', 'image/gif'])

interface StoredFile {
  name: string
  size: number
  bytes(): Promise<Uint8Array>
}

/**
 * Converts a stored image to a data URI for a model, its type detected from the bytes. Throws `too_large`, or
 * `parameter_invalid` for a type that models do not accept.
 */
export const modelImage = async (file: StoredFile, maxBytes: number): Promise<string> => {
  if (file.size > maxBytes) {
    const message = `'${file.name}' has ${byteSize(file.size)}; an image for a model may have at most ${byteSize(maxBytes)}`
    throw new AppError('too_large', message, {
      hint: 'Make the image smaller, or raise JETTY_MAX_MODEL_FILE_BYTES.',
    })
  }
  const bytes = Buffer.from(await file.bytes())
  const format = await fileFormatOf(bytes)
  if (format && imageTypes.has(format.mime)) return `data:${format.mime};base64,${bytes.toString('base64')}`
  const message = `'${file.name}' is not an image that models accept, but ${format?.mime ?? 'another kind of file'}`
  throw new AppError('parameter_invalid', message, { hint: 'Convert it to PNG, JPEG, WebP or GIF.' })
}
