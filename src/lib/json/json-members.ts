import { doAtOnce, type Pieces } from '../slices.ts'

/** Byte positions of one member of a JSON object. */
export interface Member {
  name: string
  /** First byte of the name's quote. */
  start: number
  valueStart: number
  /** After the last byte of the value. */
  valueEnd: number
}

/** Legitimate objects have fewer; each member costs a hundred times what its bytes do. */
export const mostMembers = 10_000

const quote = 34
const backslash = 92
const comma = 44
const colon = 58

const isSpace = (code: number | undefined): boolean => code === 32 || code === 10 || code === 13 || code === 9
const opens = (code: number | undefined): boolean => code === 123 || code === 91
const closes = (code: number | undefined): boolean => code === 125 || code === 93

const skipSpace = (bytes: Buffer, from: number): number => {
  let at = from
  while (isSpace(bytes[at])) at++
  return at
}

/** In short strings a loop finds the quote sooner: an `indexOf` call costs as much as a hundred bytes. */
const shortString = 32

/** Index after the string that opens at `start`; searches only for the quote, so a long text costs next to nothing. */
const skipString = (bytes: Buffer, start: number): number => {
  for (let at = start + 1, looks = 0; at < bytes.length; looks++) {
    const code = bytes[at]
    if (code === quote) return at + 1
    if (code === backslash) at += 2
    else if (looks < shortString) at++
    else {
      const end = bytes.indexOf(quote, at)
      if (end === -1) return -1
      let slashes = 0
      while (bytes[end - 1 - slashes] === backslash) slashes++
      if (slashes % 2 === 0) return end + 1
      at = end + 1
      looks = 0
    }
  }
  return -1
}

/** Bytes outside of strings that are looked at in one piece: 1 ms. */
const pieceBytes = 128 * 1024

/** Index after the value that starts at `start`; -1 when it is unterminated or nested deeper than `maxDepth`. */
function* skipValue(bytes: Buffer, start: number, maxDepth: number): Pieces<number> {
  let depth = 0
  let pieceEnd = start + pieceBytes
  for (let at = start; at < bytes.length; ) {
    const code = bytes[at]
    if (code === quote) {
      at = skipString(bytes, at)
      if (at === -1) return -1
      continue
    }
    if (opens(code)) {
      if (++depth > maxDepth) return -1
    } else if (closes(code)) {
      if (depth-- === 0) return at
    } else if (code === comma && depth === 0) return at
    at++
    if (at >= pieceEnd) {
      pieceEnd = at + pieceBytes
      yield
    }
  }
  return -1
}

const nameOf = (bytes: Buffer, start: number, end: number): string | undefined => {
  try {
    return JSON.parse(bytes.toString('utf8', start, end)) as string
  } catch {
    return undefined
  }
}

/** The members of an object, and the index after it. */
interface Members {
  members: Member[]
  end: number
}

/**
 * Lists the members of the JSON object that begins at `from`, in order, without parsing their values. Undefined when
 * there is no object, when it is cut off, or when it has more than `mostMembers`. The inside of values is not
 * validated.
 */
export function* memberPieces(bytes: Buffer, maxDepth: number, from = 0): Pieces<Members | undefined> {
  let at = skipSpace(bytes, from)
  if (bytes[at] !== 123) return undefined
  const members: Member[] = []
  at = skipSpace(bytes, at + 1)
  if (bytes[at] === 125) return { members, end: at + 1 }
  for (;;) {
    if (bytes[at] !== quote) return undefined
    const start = at
    const nameEnd = skipString(bytes, start)
    const name = nameEnd === -1 ? undefined : nameOf(bytes, start, nameEnd)
    at = skipSpace(bytes, nameEnd)
    if (name === undefined || bytes[at] !== colon) return undefined
    const valueStart = skipSpace(bytes, at + 1)
    const next = yield* skipValue(bytes, valueStart, maxDepth)
    let valueEnd = next
    while (isSpace(bytes[valueEnd - 1])) valueEnd--
    if (next === -1 || valueEnd <= valueStart) return undefined
    if (members.length === mostMembers) return undefined
    members.push({ name, start, valueStart, valueEnd })
    if (bytes[next] === 125) return { members, end: next + 1 }
    if (bytes[next] !== comma) return undefined
    at = skipSpace(bytes, next + 1)
  }
}

/** Lists the members of a JSON object at once. */
export const membersOf = (bytes: Buffer, maxDepth: number, from = 0): Members | undefined =>
  doAtOnce(memberPieces(bytes, maxDepth, from))

/** Decides about a member: new bytes for its value, removal, or undefined to keep it. */
export type EditMember = (member: Member) => Buffer | 'cut' | undefined

/** Replaces or removes members; all other bytes stay as they are. */
export const editMembers = (bytes: Buffer, members: readonly Member[], edit: EditMember): Buffer => {
  const edits = members.map(edit)
  const lastKept = edits.findLastIndex((value) => value !== 'cut')
  const pieces: Buffer[] = []
  let from = 0
  const replace = (start: number, end: number, value?: Buffer) => {
    pieces.push(bytes.subarray(from, start))
    if (value) pieces.push(value)
    from = end
  }
  members.forEach(({ start, valueStart, valueEnd }, index) => {
    const value = edits[index]
    const next = members[index + 1]
    if (value instanceof Buffer) replace(valueStart, valueEnd, value)
    else if (value === 'cut' && next && index < lastKept) replace(start, next.start)
  })
  const last = members.at(-1)
  // A removed last member takes the comma before it along.
  if (last && lastKept < members.length - 1) replace(members[lastKept]?.valueEnd ?? members[0]!.start, last.valueEnd)
  return pieces.length === 0 ? bytes : Buffer.concat([...pieces, bytes.subarray(from)])
}
