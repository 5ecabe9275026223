import { AppError } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'

/** Error for a body above the limit of a file. */
export const fileTooLarge = (maxBytes: number): AppError =>
  new AppError('too_large', `File too large. Maximum allowed size is ${byteSize(maxBytes)}`, {
    hint: 'Send a smaller file, or raise JETTY_MAX_UPLOAD_BYTES.',
  })
