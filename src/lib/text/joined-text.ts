/** A text that arrives in pieces, which may be very many and very short. */
export interface JoinedText {
  readonly length: number
  add(piece: string): void
  text(): string
  /** Returns the text and starts anew. */
  take(): string
}

/** So many pieces become one: a piece of one character takes 8 bytes in a list, and 32 if it is appended with `+=`. */
const mostPieces = 1000

/** Joins texts of up to some 100,000 characters in linear time. */
export const makeJoinedText = (): JoinedText => {
  let pieces: string[] = []
  let length = 0
  const text = () => {
    if (pieces.length > 1) pieces = [pieces.join('')]
    return pieces[0] ?? ''
  }
  return {
    get length() {
      return length
    },
    add(piece) {
      if (piece === '') return
      length += piece.length
      if (pieces.push(piece) >= mostPieces) text()
    },
    text,
    take() {
      const whole = text()
      pieces = []
      length = 0
      return whole
    },
  }
}
