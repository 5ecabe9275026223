import { describe, expect, it } from 'vitest'
import { compareResults } from './compare.ts'
import { median } from './numbers.ts'
import type { Figure, Result } from './results.ts'

const figure = (rounds: number[], rest: Partial<Figure> = {}): Figure => ({
  ...{ name: 'p50', unit: ' ms', sense: 'at most', rounds, measured: median(rounds) },
  ...rest,
})

const resultOf = (figures: Figure[], rest: Partial<Result> = {}): Result => ({
  ...{ bench: 'engine', figures, tables: [], at: '2026-11-29T00:00:00Z', commit: 'abc', cpu: 'cpu', cores: 2 },
  ...{ memoryGb: 8, system: 'linux x64 6', node: '20.20.2', postgres: '18.1.0', isQuick: false, seconds: 1 },
  ...rest,
})

const verdictOf = (before: Figure, after: Figure) =>
  compareResults([resultOf([before])], [resultOf([after])]).changes[0]?.verdict

describe('the comparison of two results', () => {
  it.each<[title: string, before: number[], after: number[], rest: Partial<Figure>, verdict: string]>([
    ['equal rounds', [10, 11, 12], [10, 11, 12], {}, 'same'],
    ['less than a tenth, however quiet', [100, 100, 100], [109, 109, 109], {}, 'same'],
    ['more than a tenth, in quiet rounds', [100, 100, 100], [112, 112, 112], {}, 'worse'],
    ['as much, in rounds that spread further', [85, 100, 115], [95, 112, 125], {}, 'same'],
    ['less, where less is better', [100, 100, 100], [80, 80, 80], {}, 'better'],
    ['less, where more is better', [100, 100, 100], [80, 80, 80], { sense: 'at least' }, 'worse'],
    ['a fifth, measured once', [100], [120], {}, 'same'],
    ['a third, measured once', [100], [133], {}, 'worse'],
    ['one round of five that is far off', [100, 100, 100, 100, 300], [120, 120, 120, 120, 120], {}, 'worse'],
    ['from nothing to something', [0, 0], [1, 1], {}, 'worse'],
    ['from something to nothing', [2, 2], [0, 0], {}, 'better'],
    ['bytes, which are counted', [100], [102], { unit: ' kB' }, 'worse'],
  ])('%s', (_, before, after, rest, verdict) => {
    expect(verdictOf(figure(before, rest), figure(after, rest))).toBe(verdict)
  })

  it('names what only one of the two has, what failed, and other circumstances', () => {
    const old = [
      resultOf([figure([1]), figure([1], { name: 'gone' })]),
      resultOf([], { bench: 'cli' }),
      resultOf([figure([1])], { bench: 'web' }),
    ]
    const fresh = [
      resultOf([figure([1])], { node: '24.1.0' }),
      resultOf([], { bench: 'fanout', error: 'no PostgreSQL' }),
      resultOf([], { bench: 'web', skipped: 'chromium missing' }),
    ]
    const { changes, failed, missing, differences } = compareResults(old, fresh)
    expect(changes.map(({ name }) => name)).toEqual(['p50'])
    expect(failed).toEqual(['fanout'])
    expect(missing).toEqual([
      'engine: gone (only in the old file)',
      'web (skipped now: chromium missing)',
      'cli (not run now)',
    ])
    expect(differences).toEqual(['node: 20.20.2, now 24.1.0'])
  })
})
