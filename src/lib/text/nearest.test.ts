import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { makeGuesses, nearest, unknownName } from './nearest.ts'

it.each([
  ['txet', ['text', 'test'], 'text'],
  ['promt', ['model', 'prompt'], 'prompt'],
  ['Promt', ['PROMPT'], 'PROMPT'],
  ['a', ['b'], 'b'],
  ['ab', ['b'], 'b'],
  ['', ['a'], 'a'],
  ['temperature', ['text'], undefined],
  ['x'.repeat(101), ['x'.repeat(101)], undefined],
])('%s among %j is %s', (word, names, meant) => {
  expect(nearest(word, names)).toBe(meant)
})

/** Edit distance in its plainest form, over the whole table. */
const plainDistance = (a: string, b: string): number => {
  const table = Array.from({ length: a.length + 1 }, (_, i) => Array.from({ length: b.length + 1 }, (_, j) => i || j))
  const at = (i: number, j: number) => table[i]?.[j] ?? 0
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      const edits = [at(i, j - 1) + 1, at(i - 1, j) + 1, at(i - 1, j - 1) + same]
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) edits.push(at(i - 2, j - 2) + 1)
      ;(table[i] as number[])[j] = Math.min(...edits)
    }
  }
  return at(a.length, b.length)
}

it('finds the first of the names with the fewest edits', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 12 })
  fc.assert(
    fc.property(word, fc.array(word, { maxLength: 8 }), (written, names) => {
      const most = Math.max(1, Math.floor(written.length / 3))
      const edits = names.map((name) => plainDistance(written, name))
      const least = Math.min(...edits)
      expect(nearest(written, names)).toBe(least <= most ? names[edits.indexOf(least)] : undefined)
    }),
  )
})

describe('a search ends', () => {
  const like = (at: number) => `${'n'.repeat(90)}${at}`
  const names = Array.from({ length: 100_000 }, (_, at) => like(at))
  it('after a bounded number of comparisons', () => {
    const budget = { left: 100_000 }
    expect(nearest(`${'n'.repeat(90)}x`, names, budget)).toBeDefined()
    expect(budget.left).toBeGreaterThan(-20_000)
  })
  it('at once for all words after the bound of those that share one', () => {
    const guess = makeGuesses(100_000)
    const found = names.map((name) => guess(`${name}x`, names))
    expect(found[0]).toBe(like(0))
    expect(found.at(-1)).toBeUndefined()
  })
})

test('a misspelt name is named with the nearest known one', () => {
  expect(unknownName('member', 'step', ['steps', 'init_params'], 'workflow.step')).toEqual({
    field: 'workflow.step',
    message: 'Unknown member "step" was ignored. Did you mean "steps"?',
    did_you_mean: 'steps',
  })
})

test('a name that is near to none is only named, and clipped', () => {
  expect(unknownName('query parameter', 'zzzz', ['limit'])).toEqual({
    field: 'zzzz',
    message: 'Unknown query parameter "zzzz" was ignored',
    did_you_mean: null,
  })
  expect(unknownName('member', 'x'.repeat(5000), []).message.length).toBeLessThan(120)
})
