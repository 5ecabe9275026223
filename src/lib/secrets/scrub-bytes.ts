import type { SecretFinder } from './secret-finder.ts'

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
export const makeByteScrubber = ({ find, begun }: SecretFinder, maskOf: (length: number) => string): ByteScrubber => {
  const found = new Set<string>()
  let waiting = ''

  /** Without what was found before `hold`; what lies behind waits, for it may become a longer one. */
  const strike = (text: string, hold: (from: number) => number): { clean: string; from: number; end: number } => {
    let clean = ''
    let from = 0
    let end = hold(0)
    for (let next = find(text, 0); next && next.start < end; next = find(text, from)) {
      found.add(next.name)
      clean += text.slice(from, next.start) + maskOf(next.end - next.start)
      from = next.end
      if (from > end) end = hold(from)
    }
    return { clean, from, end }
  }

  return {
    found,
    push(chunk) {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      const text = waiting + bytes.toString('latin1')
      const { clean, from, end } = strike(text, (at) => begun(text, at))
      const isUnchanged = waiting === '' && from === 0 && end === text.length
      waiting = text.slice(end)
      return isUnchanged ? bytes : Buffer.from(clean + text.slice(from, end), 'latin1')
    },
    rest() {
      const text = waiting
      waiting = ''
      const { clean, from } = strike(text, () => text.length)
      return Buffer.from(clean + text.slice(from), 'latin1')
    },
  }
}
