/** Edit distance of two short texts; a swap of two neighbours is one edit. */
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

/** Finds the probably intended one of some names. */
export type Guess = (word: string, names: Iterable<string>) => string | undefined

/** Makes `nearest` for the first `most` words; returns undefined for all later ones, which bounds the time. */
export const makeGuesses = (most: number): Guess => {
  let left = most
  return (word, names) => (left-- > 0 ? nearest(word, names) : undefined)
}

/** The probably intended name: fewest edits, at most a third of the word's length. */
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
