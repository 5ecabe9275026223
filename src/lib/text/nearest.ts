/** Comparisons of characters that a search for near names may still make. */
interface GuessBudget {
  left: number
}

/** Characters compared in one search: 2 ms. */
const mostCompared = 200_000
/** Characters compared by all searches that share a budget: 20 ms. */
const mostComparedTogether = 2_000_000

/**
 * Edit distance of two texts, where a swap of two neighbours is one edit; `most + 1` for every larger one. Only cells
 * within `most` of the diagonal are computed, and taken from the budget.
 */
const distance = (left: string, right: string, most: number, budget: GuessBudget): number => {
  const beyond = most + 1
  let above: number[] = []
  let row = Array.from({ length: right.length + 1 }, (_, at) => at)
  for (let i = 1; i <= left.length; i++) {
    const from = Math.max(1, i - most)
    const to = Math.min(right.length, i + most)
    const next: number[] = Array(right.length + 1).fill(beyond)
    if (from === 1) next[0] = i
    let least = next[from - 1] ?? beyond
    for (let j = from; j <= to; j++) {
      const same = left[i - 1] === right[j - 1] ? 0 : 1
      const swapped = i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1]
      const swap = swapped ? (above[j - 2] ?? 0) + 1 : beyond
      const edits = Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + same, swap)
      next[j] = edits
      if (edits < least) least = edits
    }
    budget.left -= right.length + 1
    if (least > most) return beyond
    above = row
    row = next
  }
  return Math.min(beyond, row[right.length] ?? 0)
}

/** Finds the probably intended one of some names. */
export type Guess = (word: string, names: Iterable<string>) => string | undefined

/**
 * Makes `nearest` for the first `most` words, with one budget of comparisons for all of them; returns undefined for all
 * later ones.
 */
export const makeGuesses = (most: number): Guess => {
  let left = most
  const budget = { left: mostComparedTogether }
  return (word, names) => (left-- > 0 ? nearest(word, names, budget) : undefined)
}

/**
 * The probably intended name: fewest edits, at most a third of the word's length. Names that the budget does not suffice
 * for are not compared.
 */
export const nearest = (
  word: string,
  names: Iterable<string>,
  budget: GuessBudget = { left: mostCompared },
): string | undefined => {
  if (word.length > 100) return undefined
  const written = word.toLowerCase()
  let best: string | undefined
  let least = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const name of names) {
    if (budget.left-- <= 0) break
    if (Math.abs(name.length - word.length) >= least) continue
    const edits = distance(written, name.toLowerCase(), least - 1, budget)
    if (edits < least) {
      least = edits
      best = name
    }
  }
  return best
}

/** The warning about a name that is not known; on the wire it is a `Warning` of `model/warning.ts`. */
export interface UnknownName {
  field: string
  message: string
  did_you_mean: string | null
}

const shown = (name: string): string => (name.length > 80 ? `${name.slice(0, 79)}…` : name)

/**
 * Warns about a name that the server does not know and therefore ignored, with the known name that is nearest.
 * `kind` says what the name stands for, such as `query parameter`; `field` is its path, by default the name alone.
 *
 * @example unknownName('query parameter', 'limt', ['limit', 'page']).message
 * // 'Unknown query parameter "limt" was ignored. Did you mean "limit"?'
 */
export const unknownName = (kind: string, name: string, known: Iterable<string>, field = name): UnknownName => {
  const meant = nearest(name, known)
  const question = meant === undefined ? '' : `. Did you mean "${meant}"?`
  return {
    field: shown(field),
    message: `Unknown ${kind} "${shown(name)}" was ignored${question}`,
    did_you_mean: meant ?? null,
  }
}
