import { makeRandom } from '../../../src/lib/random.ts'

/** Numbers that only the seed decides. The seed is printed; CRASH_SEED repeats a run of the tests. */
export interface Random {
  seed: number
  /** From 0 up to, and without, 1. */
  next(): number
  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number
}

export const seeded = (name: string): Random => {
  const seed = Number(process.env.CRASH_SEED ?? Date.now() % 1_000_000_000)
  console.log(`${name}: CRASH_SEED=${seed}`)
  const next = makeRandom(seed)
  return { seed, next, between: (low, high) => low + Math.floor(next() * (high - low + 1)) }
}
