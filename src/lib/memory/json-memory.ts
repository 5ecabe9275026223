import { skipString } from '../json/json-text.ts'

/** Values of up to so many bytes are not counted: there is room for them beside every budget. */
export const uncountedBytes = 64 * 1024

/** Bytes that a text takes in memory: V8 stores two for each character once one of them is above U+00FF. */
export const textMemory = (text: string): number =>
  text.length <= uncountedBytes || Buffer.byteLength(text) === text.length ? text.length : 2 * text.length

/** Bytes of JSON for people who count those of a file: what a text takes as UTF-8. */
export const utf8Size = (text: string): number =>
  text.length <= uncountedBytes ? text.length : Buffer.byteLength(text)

/**
 * About how long the JSON text of a value will be, without writing it: characters that JSON escapes count once. Stops
 * beyond `most`.
 */
export const jsonSize = (value: unknown, most: number): number => {
  if (typeof value === 'string') return value.length + 2
  if (typeof value !== 'object' || value === null) return 8
  let size = 2
  if (Array.isArray(value)) {
    for (const item of value) {
      size += jsonSize(item, most - size) + 1
      if (size > most) return size
    }
    return size
  }
  for (const key in value) {
    size += key.length + 4 + jsonSize((value as Record<string, unknown>)[key], most - size)
    if (size > most) return size
  }
  return size
}

/** Bytes that V8 takes beside the characters: measured with Node 20. A key that no other object has makes its object a table. */
const objectBytes = 56
const arrayBytes = 32
const stringBytes = 24
const slotBytes = 8
const newKeyBytes = 176
/** One key of so many is looked at. */
const keySample = 16

/**
 * About how many bytes of memory JSON.parse makes of a text. Brackets are what costs: a list of `{}` takes twenty times
 * as much as its text.
 */
export const parsedMemory = (text: string): number => {
  if (text.length <= uncountedBytes) return text.length
  const width = Buffer.byteLength(text) === text.length ? 1 : 2
  const sampled = new Set<string>()
  let keys = 0
  let bytes = 0
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at)
    if (code === 34) {
      const end = skipString(text, at)
      if (text.charCodeAt(end) !== 58) bytes += stringBytes + (end - at) * width
      else if (keys++ % keySample === 0) sampled.add(text.slice(at, end))
      at = end
      continue
    }
    if (code === 123) bytes += objectBytes
    else if (code === 91) bytes += arrayBytes
    else if (code === 44) bytes += slotBytes
    at++
  }
  return bytes + sampled.size * keySample * newKeyBytes
}
