import { jsonTextPieces } from '../../lib/json/json-bytes.ts'
import { isObject } from '../../lib/json/json-object.ts'
import type { Pieces } from '../../lib/slices.ts'
import { replaceDataUris } from '../../lib/text/data-uri.ts'

/** Stores bytes of a text. Returns the path that replaces them, or undefined if they stay. */
export type KeepBytes = (bytes: Buffer, type: string) => Promise<string | undefined>

const names = [
  ...['b64_json', 'partial_image_b64', 'image_generation_call', 'input_audio', 'audio', 'base64'],
  ...['file_data', 'inline_data', 'inlineData', 'redacted_thinking'],
]
/** Precedes or surrounds bytes in base64 in the known APIs. One expression, since a text has many quotes. */
const signs = new RegExp(`;base64,|"(?:${names.join('|')})"`)

/** Whether JSON may hold bytes in base64. Quick enough for every text. */
export const mayHoldBytes = (text: string): boolean => signs.test(text)

const [leastLength, mostLength] = [Math.min, Math.max].map((of) => of(...names.map(({ length }) => length))) as [
  number,
  number,
]
const firstLetters = new Set(names.map((name) => name.charCodeAt(0)))
const known = new Set(names)

/** Reads a JSON text as the bytes that it is, once: whether it is one, and whether it may hold bytes in base64. */
export function* readJsonBytes(bytes: Buffer): Pieces<{ isJson: boolean; mayHoldBytes: boolean }> {
  let hasSign = bytes.includes(';base64,')
  const see = (start: number, end: number) => {
    const length = end - start
    if (hasSign || length < leastLength || length > mostLength || !firstLetters.has(bytes[start] as number)) return
    hasSign = known.has(bytes.toString('latin1', start, end))
  }
  const isJson = yield* jsonTextPieces(bytes, see)
  return { isJson, mayHoldBytes: hasSign }
}

/** A shorter text may be an id, a hash or a signature. */
const shortestBase64 = 1024
/** Members that hold nothing but bytes, however few. */
const bytesByName = new Set(['b64_json', 'partial_image_b64'])
const isBase64 = (text: string, shortest: number): boolean =>
  text.length > shortest && /^[A-Za-z0-9+/_-]+={0,2}$/.test(text)

/** Replaces data URIs and long base64 texts in the value of a member by paths of files. */
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

/** Numbers and the like need no promise: vectors have many of them. */
const isHolder = (value: unknown): boolean =>
  typeof value === 'string' ? value.length >= 'data:,'.length : typeof value === 'object' && value !== null
