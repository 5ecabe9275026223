import { skipString } from '../json/json-text.ts'
import type { TakeRoom } from '../net/taken-room.ts'
import { doAtOnce, type Pieces } from '../slices.ts'

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

/** What a JSON text is like. */
interface JsonMeasure {
  /** Its deepest nesting. */
  depth: number
  /** Members, lists and objects, and a fifth of the other elements: what each of them takes is alike. */
  values: number
  /** Estimated memory of what JSON.parse makes of it. */
  memory: number
}

/** Plain elements of a list that take as long as a member. */
const elementsOfValue = 5

/** Characters outside of strings, and strings, that are looked at in one piece: 1 ms. */
const looksOfPiece = 100_000

/**
 * Measures a JSON text without parsing it. Brackets dominate the memory: a list of `{}` takes twenty times the size of its
 * text.
 */
export function* measureJson(text: string): Pieces<JsonMeasure> {
  const width = Buffer.byteLength(text) === text.length ? 1 : 2
  const sampled = new Set<string>()
  let keys = 0
  let memory = 0
  let objects = 0
  let lists = 0
  let commas = 0
  let open = 0
  let depth = 0
  let looks = 0
  for (let at = 0; at < text.length; ) {
    if (++looks % looksOfPiece === 0) yield
    const code = text.charCodeAt(at)
    if (code === 34) {
      const end = skipString(text, at)
      if (text.charCodeAt(end) !== 58) memory += stringBytes + (end - at) * width
      else if (keys++ % keySample === 0) sampled.add(text.slice(at, end))
      at = end
      continue
    }
    if (code === 123 || code === 91) {
      memory += code === 123 ? objectBytes : arrayBytes
      if (code === 123) objects++
      else lists++
      if (++open > depth) depth = open
    } else if (code === 125 || code === 93) open--
    else if (code === 44) {
      memory += slotBytes
      commas++
    }
    at++
  }
  const elements = Math.max(0, commas - keys + objects) // every member but the first of an object follows a comma
  const values = Math.ceil(keys + objects + lists + elements / elementsOfValue)
  return { depth, values, memory: memory + sampled.size * keySample * newKeyBytes }
}

/** Estimates the memory that JSON.parse needs for a text. */
export const parsedMemory = (text: string): number =>
  text.length <= uncountedBytes ? text.length : doAtOnce(measureJson(text)).memory

/**
 * Reserves memory for values that are read one by one and all kept. Takes their JSON texts; returns a promise when the next
 * one must wait.
 */
export const countKept = (room: TakeRoom): ((text: string) => Promise<void> | undefined) => {
  let texts: string[] = []
  let length = 0
  return (text) => {
    texts.push(text)
    length += text.length + slotBytes
    if (length <= uncountedBytes) return undefined
    // Measured together: a key that all of them have counts once.
    const bytes = Math.max(length, doAtOnce(measureJson(texts.join())).memory)
    texts = []
    length = 0
    return room(bytes)
  }
}
