import type {
  JSONObject,
  LanguageModelV3FilePart,
  LanguageModelV3TextPart,
  SharedV3ProviderOptions,
} from '@ai-sdk/provider'
import { fileFormatOf } from '../../../lib/files/media-file.ts'
import { contentTypeOf, essenceOf, isTextType } from '../../../lib/files/media-type.ts'
import { isObject } from '../../../lib/json/json-object.ts'
import type { ChatPart } from '../../../model/gateway/chat.ts'
import { impossible } from '../../upstream/errors.ts'
import { optionsFor, type SdkCall } from './dialect.ts'

/**
 * Translates `cache_control` of a message or a part: the provider caches everything before it. Providers without such a
 * mark decide about caching themselves.
 */
export const cacheMark = (
  { cache_control: control }: Record<string, unknown>,
  { dialect }: Pick<SdkCall, 'dialect'>,
): { providerOptions?: SharedV3ProviderOptions } =>
  isObject(control) ? optionsFor(dialect, dialect.cacheMark?.(control as JSONObject)) : {}

const unknownType = 'application/octet-stream'

/** The context in which the parts of one request are read. */
export interface PartContext {
  call: SdkCall
  /** URLs that the provider downloads itself, by media type. */
  supportedUrls: Record<string, RegExp[]>
  warn(sentence: string): void
}

/** Texts as bytes, other files as base64: each package accepts these unchanged. */
const dataOf = (bytes: Buffer, type: string): Uint8Array | string =>
  isTextType(type) ? bytes : bytes.toString('base64')

const fromDataUri = (uri: string, where: string, { call }: PartContext): LanguageModelV3FilePart => {
  const comma = uri.indexOf(',')
  const head = uri.slice('data:'.length, comma)
  const type = essenceOf(head) || 'text/plain'
  if (comma < 0 || !head.endsWith(';base64')) {
    throw impossible(call, `${where} is a data URI that is not base64`, 'Write data:<type>;base64,<data>.')
  }
  const data = uri.slice(comma + 1)
  return { type: 'file', mediaType: type, data: isTextType(type) ? Buffer.from(data, 'base64') : data }
}

const fits = (pattern: string, type: string): boolean =>
  pattern === '*' ||
  pattern === '*/*' ||
  pattern === type ||
  (pattern.endsWith('/*') && type.startsWith(pattern.slice(0, -1)))

const isSupported = (url: URL, type: string, supported: Record<string, RegExp[]>): boolean =>
  Object.entries(supported).some(([pattern, urls]) => fits(pattern, type) && urls.some((one) => one.test(url.href)))

const downloaded = async (url: URL, where: string, { call }: PartContext): Promise<LanguageModelV3FilePart> => {
  const answer = await call.download(url.href, { signal: call.signal, ...call.limits })
  if (answer.status !== 200) {
    throw impossible(call, `${where} could not be fetched: ${url.origin} answered ${answer.status}`, 'Check the URL.')
  }
  const bytes = Buffer.from(await answer.bytes())
  const type = (await fileFormatOf(bytes))?.mime ?? essenceOf(answer.headers['content-type'] ?? unknownType)
  return { type: 'file', mediaType: type, data: dataOf(bytes, type) }
}

/** A file by its URL: unchanged if the provider downloads such URLs itself, else its bytes. */
const fromUrl = async (text: string, family: string, where: string, reading: PartContext) => {
  const { call, supportedUrls } = reading
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url) throw impossible(call, `${where} is no URL and no data URI`, 'Write https://… or data:<type>;base64,….')
  const promised = contentTypeOf(url.pathname)
  const type = promised === unknownType ? family : promised
  if (isSupported(url, type, supportedUrls)) return { type: 'file' as const, mediaType: type, data: url }
  if (!/^https?:$/.test(url.protocol)) {
    throw impossible(call, `${where} has a URL that begins with '${url.protocol}'`, 'Write https://… or a data URI.')
  }
  return downloaded(url, where, reading)
}

const fileFrom = (value: unknown, family: string, where: string, reading: PartContext) => {
  if (typeof value !== 'string') {
    throw impossible(reading.call, `${where} is no text`, 'Write https://… or data:<type>;base64,….')
  }
  return value.startsWith('data:') ? fromDataUri(value, where, reading) : fromUrl(value, family, where, reading)
}

const member = (part: ChatPart, name: string): Record<string, unknown> => {
  const value = part[name]
  return isObject(value) ? value : { url: value }
}

const image = async (part: ChatPart, where: string, reading: PartContext): Promise<LanguageModelV3FilePart> => {
  const { url, detail } = member(part, 'image_url')
  const found = await fileFrom(url, 'image/*', `${where}.image_url.url`, reading)
  if (detail === undefined || detail === null || detail === 'auto') return found
  const { dialect } = reading.call
  if (dialect.imageDetail) return { ...found, ...optionsFor(dialect, dialect.imageDetail(String(detail))) }
  reading.warn(`${where}.image_url.detail: this provider has no such option`)
  return found
}

const audio = (part: ChatPart, where: string, { call }: PartContext): LanguageModelV3FilePart => {
  const { data, format } = member(part, 'input_audio')
  if (typeof data !== 'string' || typeof format !== 'string') {
    throw impossible(call, `${where}.input_audio has no data and format`, 'Both are texts, the data in base64.')
  }
  return { type: 'file', mediaType: contentTypeOf(`audio.${format}`), data }
}

const document = async (part: ChatPart, where: string, reading: PartContext): Promise<LanguageModelV3FilePart> => {
  const { file_data: data, file_url: url, filename } = member(part, 'file')
  const given = data ?? url
  if (given === undefined) {
    const hint = 'Send the file itself, as file_data: data:<type>;base64,<data>.'
    throw impossible(reading.call, `${where}.file has no file_data, and the files of OpenAI are not theirs`, hint)
  }
  const family = typeof filename === 'string' ? contentTypeOf(filename) : 'application/pdf'
  const found = await fileFrom(given, family, `${where}.file.file_data`, reading)
  return typeof filename === 'string' ? { ...found, filename } : found
}

/** Converts a part of a message. `where` is its path in error messages. */
export const partOf = async (
  part: ChatPart,
  where: string,
  reading: PartContext,
): Promise<LanguageModelV3TextPart | LanguageModelV3FilePart> => {
  const marked = cacheMark(part, reading.call)
  switch (part.type) {
    case 'text':
      return { type: 'text', text: String(part.text ?? ''), ...marked }
    case 'refusal':
      return { type: 'text', text: String(part.refusal ?? '') }
    case 'image_url':
      return { ...(await image(part, where, reading)), ...marked }
    case 'input_audio':
      return audio(part, where, reading)
    case 'file':
      return { ...(await document(part, where, reading)), ...marked }
    case 'video_url':
      return fileFrom(member(part, 'video_url').url, 'video/mp4', `${where}.video_url.url`, reading)
    default:
      throw impossible(
        reading.call,
        `${where} is of the type '${part.type}'`,
        'Known are text, image_url, input_audio, file and video_url.',
      )
  }
}
