/** Number of single-character edits between two short texts; two neighbours swapped are one edit. */
const distance = (left: string, right: string): number => {
  let above: number[] = []
  let row = Array.from({ length: right.length + 1 }, (_, at) => at)
  for (let i = 1; i <= left.length; i++) {
    const next = [i]
    for (let j = 1; j <= right.length; j++) {
      const same = left[i - 1] === right[j - 1] ? 0 : 1
      const swapped = i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1]
      const swap = swapped ? (above[j - 2] ?? 0) + 1 : Infinity
      next.push(Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + same, swap))
    }
    above = row
    row = next
  }
  return row[right.length] ?? 0
}

/** What was probably meant by a word, among some names. */
export type Guess = (word: string, names: Iterable<string>) => string | undefined

/** The same as `nearest` for the first so many words; of all others nobody knows. */
export const makeGuesses = (most: number): Guess => {
  let left = most
  return (word, names) => (left-- > 0 ? nearest(word, names) : undefined)
}

/** The name that was probably meant: fewest edits, and no more than a third of the word. */
export const nearest = (word: string, names: Iterable<string>): string | undefined => {
  if (word.length > 100) return undefined
  let best: string | undefined
  let least = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const name of names) {
    const edits = distance(word.toLowerCase(), name.toLowerCase())
    if (edits < least) {
      least = edits
      best = name
    }
  }
  return best
}
