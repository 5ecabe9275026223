import { describe, expect, it } from 'vitest'
import { type Chunk, nextChunk } from './start-children.ts'

/** Hands all runs out; whenever nothing more may go out, the oldest lease ends. */
const handOut = (concurrency: number, count: number, paceMs?: number): { all: Chunk[]; mostShares: number } => {
  const out: Chunk[] = []
  const all: Chunk[] = []
  let remaining = count
  let mostShares = 0
  while (remaining > 0) {
    const shares = out.reduce((sum, { share }) => sum + share, 0)
    const chunk = nextChunk(concurrency, remaining, { lanes: out.length, shares }, paceMs)
    if (chunk) {
      out.push(chunk)
      all.push(chunk)
      remaining -= chunk.size
      mostShares = Math.max(mostShares, shares + chunk.share)
    } else out.shift()
  }
  return { all, mostShares }
}

describe('nextChunk', () => {
  it.each([
    [1, 100],
    [2, 7],
    [5, 1_000],
    [17, 333],
    [1_000, 100_000],
  ])('at concurrency %i hands %i runs out, the shares never above the concurrency', (concurrency, count) => {
    for (const paceMs of [undefined, 1, 1_000]) {
      const { all, mostShares } = handOut(concurrency, count, paceMs)
      expect(all.reduce((sum, { size }) => sum + size, 0)).toBe(count)
      expect(mostShares).toBeLessThanOrEqual(concurrency)
      expect(all.every(({ share, size }) => share >= 1 && share <= size)).toBe(true)
    }
  })

  it('uses the whole concurrency as long as there is enough to do', () => {
    expect(handOut(1_000, 10_000).mostShares).toBe(1_000)
    expect(handOut(5, 100).mostShares).toBe(5)
  })

  it('gets smaller towards the end', () => {
    const sizes = handOut(4, 200, 1).all.map(({ size }) => size)
    expect(sizes[0]).toBe(25)
    expect(sizes.at(-1)).toBe(1)
  })

  it('gives slow runs to few leases at a time, and fast ones in large leases', () => {
    const out = { lanes: 0, shares: 0 }
    expect(nextChunk(16, 100_000, out, 30_000)).toEqual({ share: 1, size: 1 })
    expect(nextChunk(16, 100_000, out, 10)).toEqual({ share: 1, size: 50 })
    expect(nextChunk(16, 100_000, out, 0.1)).toEqual({ share: 1, size: 250 })
    expect(nextChunk(16, 100_000, out)).toEqual({ share: 1, size: 4 })
  })

  it('makes leases no smaller for a bound on open runs, until one does not fit', () => {
    const out = { lanes: 0, shares: 0 }
    expect(nextChunk(1_000, 100_000, out, 1, 2_250)).toEqual({ share: 63, size: 250 })
    expect(nextChunk(1_000, 100_000, out, 1, 249)).toEqual({ share: 63, size: 63 })
    expect(nextChunk(1_000, 100_000, out, 1, 10)).toEqual({ share: 10, size: 10 })
    expect(nextChunk(1_000, 100_000, out, 1, 0)).toBeUndefined()
  })
})
