import type { SecretFinder } from './secret-finder.ts'
import { makeTextScrubber } from './strike.ts'

/** Strikes secrets out of bytes that come in pieces, wherever they were cut; next to nothing of them waits. */
export interface ByteScrubber {
  /** What can be passed on now. */
  push(chunk: Uint8Array): Buffer
  /** What has waited, once there are no more. */
  rest(): Buffer
  /** Names of what was struck out so far. */
  readonly found: ReadonlySet<string>
}

/** `finder` is one of spellings in bytes; `maskOf` what takes the place of so many of them. */
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
