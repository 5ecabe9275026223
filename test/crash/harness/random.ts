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
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return { seed, next, between: (low, high) => low + Math.floor(next() * (high - low + 1)) }
}
