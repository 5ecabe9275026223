import { skipString } from '../json/json-text.ts'

/** Smaller values are not counted: the heap has room for them beside every budget. */
export const uncountedBytes = 64 * 1024

/** Bytes of memory of a string: V8 stores two for each character once one of them is above U+00FF. */
export const textMemory = (text: string): number =>
  text.length <= uncountedBytes || Buffer.byteLength(text) === text.length ? text.length : 2 * text.length

/**
 * Estimates the length of a value's JSON text without writing it; escaped characters count once. Stops beyond `most`.
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

/** Overhead of an object in V8, measured with Node 20. A key that no other object has makes its object a hash table. */
const objectBytes = 56
const arrayBytes = 32
const stringBytes = 24
const slotBytes = 8
const newKeyBytes = 176
/** Every how many keys one is sampled. */
const keySample = 16

/**
 * Estimates the memory that JSON.parse needs for a text. Brackets dominate: a list of `{}` takes twenty times the size
 * of its text.
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
