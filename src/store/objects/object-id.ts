import { AppError } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'

const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Whether a text has the form of an object's id, a UUID: nothing else becomes a path or a key. */
export const isObjectId = (text: string): boolean => pattern.test(text)

export const objectNotFound = (id: string, cause?: unknown): AppError =>
  new AppError('not_found', `No stored object has the id '${id}'`, cause === undefined ? {} : { cause })

/** Returns the id. Throws `not_found` for what is none. */
export const checkedId = (id: string): string => {
  if (!isObjectId(id)) throw objectNotFound(id)
  return id
}

/** Error for a body above the limit of a file. */
export const fileTooLarge = (maxBytes: number): AppError =>
  new AppError('too_large', `File too large. Maximum allowed size is ${byteSize(maxBytes)}`, {
    hint: 'Send a smaller file, or raise JETTY_MAX_UPLOAD_BYTES.',
  })
