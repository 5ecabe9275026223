import { isObject } from '../../lib/json/json-object.ts'
import { replaceDataUris } from '../../lib/text/data-uri.ts'

/** Bytes that stood in a text; gives the path that is written in their place, or undefined where they are to stay. */
export type KeepBytes = (bytes: Buffer, type: string) => Promise<string | undefined>

const names = [
  ...['b64_json', 'partial_image_b64', 'image_generation_call', 'input_audio', 'audio', 'base64'],
  ...['file_data', 'inline_data', 'inlineData', 'redacted_thinking'],
]
/** What stands before or around bytes in base64, in the APIs that have them: looked for at once, a text has many quotes. */
const signs = new RegExp(`;base64,|"(?:${names.join('|')})"`)

/** Whether JSON may hold bytes in base64. Looks for words alone: to be asked of every text. */
export const mayHoldBytes = (text: string): boolean => signs.test(text)

/** Shorter ones may be ids, hashes or signatures; they take no room. */
const shortestBase64 = 1024
/** Members that hold bytes and nothing else, be they few. */
const bytesByName = new Set(['b64_json', 'partial_image_b64'])
const isBase64 = (text: string, shortest: number): boolean =>
  text.length > shortest && /^[A-Za-z0-9+/_-]+={0,2}$/.test(text)

/** The same value, of a member of that name, with data URIs and long texts in base64 replaced by paths of files. */
export const withoutBytes = async (value: unknown, keep: KeepBytes, name = ''): Promise<unknown> => {
  if (typeof value === 'string') {
    if (isBase64(value, bytesByName.has(name) ? 0 : shortestBase64))
      return (await keep(Buffer.from(value, 'base64'), '')) ?? value
    return replaceDataUris(value, ({ bytes, type }) => keep(bytes, type))
  }
  if (Array.isArray(value)) {
    const list: unknown[] = []
    for (const element of value) list.push(isHolder(element) ? await withoutBytes(element, keep) : element)
    return list
  }
  if (!isObject(value)) return value
  const members: [string, unknown][] = []
  for (const [name, member] of Object.entries(value)) {
    members.push([name, isHolder(member) ? await withoutBytes(member, keep, name) : member])
  }
  return Object.fromEntries(members)
}

/** Numbers and the like are passed by without a promise: vectors have many. */
const isHolder = (value: unknown): boolean =>
  typeof value === 'string' ? value.length >= 'data:,'.length : typeof value === 'object' && value !== null
