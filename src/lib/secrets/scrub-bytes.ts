import type { SecretFinder } from './secret-finder.ts'
import { makeTextScrubber } from './strike.ts'

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
