import { AppError, invalidField } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'

export const maxFields = 200
/** Maximum size of all fields together, as a multiple of the size of one. */
export const mostFullFields = 4

export const partTooLarge = (maxBytes: number): AppError =>
  new AppError('too_large', `File too large. Maximum allowed size is ${byteSize(maxBytes)}`)

export const fieldTooLarge = (name: string, maxBytes: number): AppError =>
  new AppError('too_large', `Field ${name} is too large. Maximum allowed size is ${byteSize(maxBytes)}`, {
    hint: 'Send large data as a file.',
  })

export const fieldsTooLarge = (maxFieldBytes: number): AppError =>
  new AppError(
    'too_large',
    `The fields of the form have more than ${byteSize(mostFullFields * maxFieldBytes)} together`,
    {
      hint: 'Send large data as files.',
    },
  )

export const notAFile = (name: string): AppError =>
  invalidField(['body', name], `${name} must be sent as a file; with curl: -F '${name}=@path'`, 'file_expected')

export const notAField = (name: string): AppError =>
  invalidField(
    ['body', name],
    `${name} must be sent as a field, not as a file; with curl: -F '${name}=<path'`,
    'field_expected',
  )

/**
 * The error for text that is not UTF-8; used for other text fields too. Replacing its bytes by U+FFFD would lose data.
 */
export const badEncoding = (name: string): AppError =>
  invalidField(['body', name], `${name} is not valid UTF-8; send it encoded as UTF-8`, 'encoding')

export const notMultipart = (error: unknown): AppError => {
  const reason = error instanceof Error ? error.message : String(error)
  if (/boundary/i.test(reason)) {
    return invalidField(
      ['header', 'content-type'],
      'multipart/form-data without a boundary; let the client set Content-Type by itself, or add ; boundary=…',
      'boundary_missing',
    )
  }
  return invalidField(['body'], `The multipart body cannot be read: ${reason}`, 'multipart_invalid')
}
