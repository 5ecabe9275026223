import { jsonTextPieces } from '../../lib/json/json-bytes.ts'
import { doInSlices, nextSlice, type Pieces } from '../../lib/slices.ts'
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
const bytesByName = new Set<string | number>(['b64_json', 'partial_image_b64'])
const shortestOf = (name: string | number): number => (bytesByName.has(name) ? 0 : shortestBase64)
const isBase64 = (text: string, shortest: number): boolean =>
  text.length > shortest && /^[A-Za-z0-9+/_-]+={0,2}$/.test(text)

/** A text that may hold bytes: a member of an object or an element of a list. */
interface Place {
  holder: Record<string | number, unknown>
  name: string | number
}

/** Values that are looked at in one piece: 1 ms. */
const looksOfPiece = 10_000

/** Finds the texts with data URIs, and the long ones in base64, in their order. */
function* placesIn(root: object): Pieces<Place[]> {
  const places: Place[] = []
  let looks = 0
  function* look(value: object): Pieces<void> {
    const isList = Array.isArray(value)
    const holder = value as Place['holder']
    for (const name of isList ? value.keys() : Object.keys(value)) {
      if (++looks % looksOfPiece === 0) yield
      const member = holder[name]
      if (typeof member === 'object' && member !== null) yield* look(member)
      else if (typeof member === 'string' && (member.includes(';base64,') || isBase64(member, shortestOf(name))))
        places.push({ holder, name })
    }
  }
  yield* look(root)
  return places
}

/** Texts and data URIs that are replaced in one piece: 16 MB may have half a million. */
const replacedAtOnce = 1_000

/** Replaces data URIs and long base64 texts in a value by paths of files. Changes the objects in it, and returns it. */
export const withoutBytes = async (value: unknown, keep: KeepBytes): Promise<unknown> => {
  let replaced = 0
  const inTurn = () => (++replaced % replacedAtOnce === 0 ? nextSlice() : undefined)
  const keepInTurn: KeepBytes = async (bytes, type) => {
    await inTurn()
    return keep(bytes, type)
  }
  const root = { value }
  for (const { holder, name } of await doInSlices(placesIn(root))) {
    const text = holder[name] as string
    await inTurn()
    holder[name] = isBase64(text, shortestOf(name))
      ? ((await keepInTurn(Buffer.from(text, 'base64'), '')) ?? text)
      : await replaceDataUris(text, ({ bytes, type }) => keepInTurn(bytes, type))
  }
  return root.value
}
