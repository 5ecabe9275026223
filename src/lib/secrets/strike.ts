import type { SecretFinder } from './secret-finder.ts'

/** A text that comes in pieces, without its secrets, wherever it was cut. */
export interface TextScrubber {
  /** What can be passed on now: what may be the beginning of a secret waits for the next piece. */
  push(text: string): string
  /** What has waited, once there are no more. */
  rest(): string
  /** Whether nothing waits. */
  readonly isClear: boolean
}

/** `onFound` is told the name of each secret that is struck out. */
export const makeTextScrubber = (
  { find, begun }: SecretFinder,
  maskOf: (length: number) => string,
  onFound: (name: string) => void = () => {},
): TextScrubber => {
  let waiting = ''

  /** Without what was found before `hold`; what lies behind waits, for it may become a longer one. */
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
