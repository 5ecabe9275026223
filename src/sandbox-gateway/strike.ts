const mask = Buffer.from('***')
const nothing: Buffer = Buffer.alloc(0)
/** Shorter ones would strike out ordinary words. */
const shortest = 6

/** How a key may be written where it is quoted: as it is, in JSON of those who escape more than they must, in a URL. */
const spellingsOf = (key: string): string[] => [
  ...new Set([key, key.replaceAll('/', '\\/'), key.replace(/[=+&<>]/g, inUnicode), encodeURIComponent(key)]),
]

const inUnicode = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** Length of the longest end of `bytes` with which `secret` begins. */
const begunAtEnd = (bytes: Buffer, secret: Buffer): number => {
  for (let length = Math.min(bytes.length, secret.length - 1); length > 0; length--) {
    if (bytes.subarray(bytes.length - length).equals(secret.subarray(0, length))) return length
  }
  return 0
}

/** Takes a secret out of bytes that come in pieces, wherever they were cut; next to nothing of them waits. */
export interface Strike {
  /** What can be passed on now. */
  push(chunk: Buffer): Buffer
  rest(): Buffer
  /** The same for a whole text. */
  text(text: string): string
}

const strikeNothing: Strike = { push: (chunk) => chunk, rest: () => nothing, text: (text) => text }

/** Undefined, or a secret that is too short to be one: nothing is taken out. */
export const makeStrike = (key: string | undefined): Strike => {
  if (key === undefined || key.length < shortest) return strikeNothing
  const spellings = spellingsOf(key)
  const one = spellings.map(strikeOne)
  return {
    push: (chunk) => one.reduce((left, { push }) => push(left), chunk),
    // What one has kept back may be what the next one looks for.
    rest: () => one.reduce((left, { push, rest }) => Buffer.concat([push(left), rest()]), nothing),
    text: (text) => spellings.reduce((left, spelling) => left.replaceAll(spelling, mask.toString()), text),
  }
}

const strikeOne = (spelling: string): Pick<Strike, 'push' | 'rest'> => {
  const secret = Buffer.from(spelling)
  let waiting = nothing
  return {
    push(chunk) {
      let left = waiting.length === 0 ? chunk : Buffer.concat([waiting, chunk])
      const pieces: Buffer[] = []
      for (let at = left.indexOf(secret); at !== -1; at = left.indexOf(secret)) {
        pieces.push(left.subarray(0, at), mask)
        left = left.subarray(at + secret.length)
      }
      const kept = begunAtEnd(left, secret)
      waiting = kept === 0 ? nothing : Buffer.from(left.subarray(left.length - kept))
      pieces.push(left.subarray(0, left.length - kept))
      return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
    },
    rest() {
      const rest = waiting
      waiting = nothing
      return rest
    },
  }
}
