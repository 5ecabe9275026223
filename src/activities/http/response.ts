import { AppError } from '../../lib/errors.ts'
import { sanitizeFileName } from '../../lib/files/file-names.ts'
import { essenceOf, extensionFor, extensionOf, isTextFile } from '../../lib/files/media-type.ts'
import { isDeeperThan, maxJsonDepth } from '../../lib/json/json-text.ts'
import { parsedMemory } from '../../lib/memory/json-memory.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import type { ActivityContext, Json, MediaObject, OutgoingResponse } from '../activity.ts'

type ResponseKind = 'auto' | 'json' | 'text' | 'file'

/** With `auto` a larger response becomes a file: outputs are read again by every later step. */
const inlineBytes = 1024 * 1024

/** More than that in one value would keep the server from other work while it is read. */
const mostValueBytes = 32 * 1024 * 1024

interface ReadResponse {
  body: Json
  file: MediaObject | null
}

const isJson = (type: string): boolean => type === 'application/json' || type.endsWith('+json')

const parseJson = async (text: string, from: string, context: ActivityContext): Promise<Json> => {
  if (isDeeperThan(text, maxJsonDepth)) {
    throw new AppError('upstream_failed', `The JSON of ${from} is nested deeper than ${maxJsonDepth} levels`, {
      hint: 'Set response to file, and read the file with a program that expects it.',
    })
  }
  await context.room(parsedMemory(text))
  try {
    return JSON.parse(text)
  } catch {
    const shown = text.trim().slice(0, 200)
    throw new AppError('upstream_failed', `The response of ${from} is not JSON: ${shown || 'it is empty'}`, {
      hint: 'Set response to text, or check that the URL is that of an API and not of a page.',
    })
  }
}

const nameIn = (disposition: string): string | undefined => {
  const encoded = /filename\*\s*=\s*utf-8''([^;\s]+)/i.exec(disposition)?.[1]
  if (encoded !== undefined) {
    try {
      return decodeURIComponent(encoded)
    } catch {
      // A stray percent sign: the plain name is used.
    }
  }
  return /filename\s*=\s*("(?:[^"\\]|\\.)*"|[^;\s]+)/i.exec(disposition)?.[1]?.replace(/^"|"$/g, '')
}

/** The name that the response gives the file, or the last segment of its URL, with the extension of its type. */
const fileName = (answer: OutgoingResponse, type: string): string => {
  const named =
    nameIn(answer.headers['content-disposition'] ?? '') ?? new URL(answer.url).pathname.split('/').pop() ?? ''
  const name = named === '' ? 'response' : sanitizeFileName(named)
  const extension = extensionFor(type)
  return extensionOf(name) === '' && extension !== undefined ? `${name}.${extension}` : name
}

/** Makes the outputs of a response: a value, a text, or a file. */
export const readResponse = async (
  answer: OutgoingResponse,
  kind: ResponseKind,
  context: ActivityContext,
): Promise<ReadResponse> => {
  const bytes = await answer.bytes()
  const type = essenceOf(answer.headers['content-type'] ?? '')
  const from = answer.url.split('?', 1)[0] ?? ''
  if (bytes.length === 0 && kind !== 'file' && kind !== 'json') return { body: null, file: null }
  const isText = isTextFile(type || 'application/octet-stream', bytes.subarray(0, 8 * 1024))
  if ((kind === 'json' || kind === 'text') && bytes.length > mostValueBytes) {
    throw new AppError(
      'too_large',
      `The response of ${from} has ${byteSize(bytes.length)}; as ${kind === 'json' ? 'JSON' : 'a text'} it may have ${byteSize(mostValueBytes)}`,
      { hint: 'Set response to file, or request less.' },
    )
  }
  const isTooLarge = kind === 'auto' && bytes.length > inlineBytes
  if (kind === 'json' || (kind === 'auto' && isJson(type) && !isTooLarge)) {
    return { body: await parseJson(await answer.text(), from, context), file: null }
  }
  if (kind === 'text' || (kind === 'auto' && isText && !isTooLarge)) {
    return { body: await answer.text(), file: null }
  }
  if (isTooLarge && isText) {
    context.warn(`The response has ${byteSize(bytes.length)}, more than ${byteSize(inlineBytes)}: it is kept as a file`)
  }
  const contentType = type || 'application/octet-stream'
  const file = await context.files.save({
    name: fileName(answer, contentType),
    content_type: contentType,
    body: bytes,
    scrub: true,
  })
  return { body: null, file }
}
