import type { SecretFinder } from './secret-finder.ts'

/** Removes secrets from a text stream, even when split between chunks. */
interface TextScrubber {
  /** Takes a chunk, and returns the text that holds no secret. A possible beginning of a secret is kept for the next call. */
  push(text: string): string
  /** Returns the buffered rest at the end. */
  rest(): string
  /** True when nothing is buffered. */
  readonly isClear: boolean
}

/** `onFound` receives the name of each removed secret. */
export const makeTextScrubber = (
  { find, begun }: SecretFinder,
  maskOf: (length: number) => string,
  onFound: (name: string) => void = () => {},
): TextScrubber => {
  let waiting = ''

  /** Removes matches before `hold`; what follows waits, since it may become a longer match. */
  const strike = (text: string, hold: (from: number) => number): string => {
    let clean = ''
    let from = 0
    let end = hold(0)
    for (let next = find(text, 0); next && next.start < end; next = find(text, from)) {
      onFound(next.name)
      clean += text.slice(from, next.start) + maskOf(next.end - next.start)
      from = next.end
      if (from > end) end = hold(from)
    }
    waiting = text.slice(end)
    return from === 0 && end === text.length ? text : clean + text.slice(from, end)
  }

  return {
    push(piece) {
      const text = waiting + piece
      return strike(text, (at) => begun(text, at))
    },
    rest() {
      const text = waiting
      return strike(text, () => text.length)
    },
    get isClear() {
      return waiting === ''
    },
  }
}

/** Removes secrets from a byte stream, even when split between chunks, with minimal buffering. */
export interface ByteScrubber {
  /** Takes a chunk and returns the bytes that are safe to pass on. */
  push(chunk: Uint8Array): Buffer
  /** Returns the buffered rest at the end. */
  rest(): Buffer
  /** Names of the secrets removed so far. */
  readonly found: ReadonlySet<string>
}

/** `finder` searches byte spellings; `maskOf` returns the replacement for that many bytes. */
export const makeByteScrubber = (finder: SecretFinder, maskOf: (length: number) => string): ByteScrubber => {
  const found = new Set<string>()
  const scrubber = makeTextScrubber(finder, maskOf, (name) => found.add(name))
  return {
    found,
    push(chunk) {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      const text = bytes.toString('latin1')
      const wasClear = scrubber.isClear
      const clean = scrubber.push(text)
      return wasClear && clean === text ? bytes : Buffer.from(clean, 'latin1')
    },
    rest: () => Buffer.from(scrubber.rest(), 'latin1'),
  }
}
