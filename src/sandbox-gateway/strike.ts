const mask = Buffer.from('***')
const nothing: Buffer = Buffer.alloc(0)
/** Shorter ones would strike out ordinary words. */
const shortest = 6

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

/** Undefined, or a secret that is too short to be one: nothing is taken out. */
export const makeStrike = (key: string | undefined): Strike => {
  const secret = Buffer.from(key ?? '')
  if (secret.length < shortest) return { push: (chunk) => chunk, rest: () => nothing, text: (text) => text }
  let waiting = nothing

  const push = (chunk: Buffer): Buffer => {
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
  }
  return {
    push,
    rest() {
      const rest = waiting
      waiting = nothing
      return rest
    },
    text: (text) => text.replaceAll(key ?? '', mask.toString()),
  }
}
