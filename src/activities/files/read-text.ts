import { AppError } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { decodeFileText } from '../../lib/text/text-encoding.ts'
import type { ActivityContext, FileContent } from '../activity.ts'

// Half of the output limit of 64 MiB, less a margin: the text is output twice, as `content` and `text`.
const maxTextBytes = 30 * 1024 * 1024

/**
 * Reads a stored file as text. Throws for files above the limit and for files that are not text, naming their format.
 */
export const readText = async (
  context: ActivityContext,
  path: string,
): Promise<{ text: string; file: FileContent }> => {
  const file = await context.files.open(path)
  if (file.size > maxTextBytes) {
    throw new AppError(
      'output_too_large',
      `'${file.name}' has ${byteSize(file.size)}; a step can read at most ${byteSize(maxTextBytes)} of text`,
      { hint: 'Split the file before uploading it.' },
    )
  }
  const decoded = await decodeFileText(await file.bytes(), { name: file.name, contentType: file.content_type })
  if (decoded.guessed) {
    context.warn(`'${file.name}' is not UTF-8 and has no charset: read as ${decoded.encoding}`, { path })
  }
  return { text: decoded.text, file }
}
