import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Judge } from '../../model/runs/evaluation.ts'
import {
  compareItems,
  compareJudge,
  judgeSummary,
  mean,
  meanInterval,
  pairedShareInterval,
  pairUp,
  quantileT,
  shareInterval,
  standardDeviation,
} from './compare.ts'
import { checkThresholds } from './routes.ts'
import { takeApart } from './start.ts'
import type { EvaluationTable, ItemResult } from './table.ts'

const scored: Judge = { name: 'clarity', instruction: 'Clear?', model: 'm', scale: { min: 1, max: 10 } }
const binary: Judge = { name: 'polite', instruction: 'Polite?', model: 'm', binary: true }
const graded: Judge = {
  name: 'grade',
  instruction: 'Grade.',
  model: 'm',
  categories: ['good', 'fair', 'poor'],
  pass: ['good', 'fair'],
}
const sorted: Judge = { name: 'kind', instruction: 'Kind?', model: 'm', categories: ['a', 'b'] }

/** An item by its key, with what each judge said; null: that judge failed. Without any its run failed. */
const itemOf = (index: number, key: string, values?: (string | null)[]): ItemResult => ({
  index,
  key,
  status: values ? 'completed' : 'failed',
  trajectoryId: `run-${index}`,
  reusedFrom: null,
  runKey: `key-${index}`,
  error: null,
  verdicts: (values ?? []).map((value) => ({
    status: value === null ? 'failed' : 'completed',
    value,
    error: value === null ? 'no verdict' : null,
    trajectoryId: 'j',
    runKey: 'j',
  })),
})

const tableOf = (judges: Judge[], given: Record<string, (string | null)[] | undefined>): EvaluationTable => ({
  evaluationId: 'e',
  judges,
  items: Object.entries(given).map(([key, values], index) => itemOf(index, key, values)),
})

describe('what a judge says of all items', () => {
  it('is a mean of scores with its interval; what failed is counted, and is no zero', () => {
    const { items } = tableOf([scored], { a: ['4'], b: ['5'], c: ['6'], d: ['7'], e: ['8'], f: undefined, g: [null] })
    const summary = judgeSummary(scored, 0, items)
    expect(summary).toMatchObject({ n: 5, failed: 2, mean: 6, counts: null, interval: { level: 0.95, method: 't' } })
    expect(summary.interval?.low).toBeCloseTo(4.036757, 5)
  })

  it('has no interval that leaves the scale', () => {
    const { min, max } = scored.scale ?? { min: 0, max: 0 }
    const { items } = tableOf([scored], { a: [String(max)], b: [String(max - 2)], c: [String(max)] })
    expect(judgeSummary(scored, 0, items).interval).toMatchObject({ high: max })
    const low = tableOf([scored], { a: [String(min)], b: [String(min + 2)], c: [String(min)] })
    expect(judgeSummary(scored, 0, low.items).interval).toMatchObject({ low: min })
  })

  it('is a share of yes, or of the categories that pass', () => {
    const yes = judgeSummary(binary, 0, tableOf([binary], { a: ['yes'], b: ['no'], c: ['yes'], d: ['yes'] }).items)
    expect(yes).toMatchObject({ n: 4, mean: 0.75, counts: { yes: 3, no: 1 }, interval: { method: 'wilson' } })
    const pass = judgeSummary(graded, 0, tableOf([graded], { a: ['good'], b: ['fair'], c: ['poor'] }).items)
    expect(pass).toMatchObject({ n: 3, mean: 0.666666667, counts: { good: 1, fair: 1, poor: 1 } })
    expect(judgeSummary(sorted, 0, tableOf([sorted], { a: ['a'], b: ['b'] }).items)).toMatchObject({
      n: 2,
      mean: null,
      interval: null,
      counts: { a: 1, b: 1 },
    })
  })

  it('is not known while nothing was judged', () => {
    expect(judgeSummary(scored, 0, [])).toMatchObject({ n: 0, failed: 0, mean: null, interval: null })
  })
})

describe('a comparison', () => {
  const judges = [scored, binary]
  const before = tableOf(judges, {
    a: ['5', 'yes'],
    b: ['5', 'no'],
    c: ['5', 'yes'],
    d: ['5', 'yes'],
    e: undefined,
    x: ['1', 'no'],
  })
  const now = tableOf(judges, {
    e: ['9', 'yes'],
    d: undefined,
    c: ['2', 'no'],
    b: ['8', 'yes'],
    a: ['5', 'yes'],
    n: ['1', 'no'],
  })

  it('finds items by key, whatever their place, and names what is worse now', () => {
    const pairing = pairUp(now, before)
    expect(compareItems(now, pairing)).toEqual({
      evaluation_id: 'e',
      matched: 5,
      added: 1,
      removed: 1,
      newly_failed: 1,
      newly_fixed: 1,
      regressions: [
        { key: 'd', index: 1, judge: null, before: null, now: null, trajectory_id: 'run-1' },
        { key: 'c', index: 2, judge: 'polite', before: 'yes', now: 'no', trajectory_id: 'run-2' },
        { key: 'c', index: 2, judge: 'clarity', before: 5, now: 2, trajectory_id: 'run-2' },
      ],
      more_regressions: 0,
    })
    expect(compareJudge(scored, 0, now, pairing)).toMatchObject({
      n: 3,
      better: 1,
      worse: 1,
      same: 1,
      changed: 0,
      mean_difference: 0,
      judge_changed: false,
      interval: { method: 't' },
    })
    expect(compareJudge(binary, 1, now, pairing)).toMatchObject({
      better: 1,
      worse: 1,
      same: 1,
      interval: { method: 'bonett-price' },
    })
  })

  it('says when a judge was another one, and nothing where it did not judge before', () => {
    const stricter = { ...scored, instruction: 'Clear, and short?' }
    const other = tableOf([stricter, { ...binary, name: 'kind' }], { a: ['5', 'yes'] })
    const pairing = pairUp(other, before)
    expect(compareJudge(stricter, 0, other, pairing)).toMatchObject({ n: 1, same: 1, judge_changed: true })
    expect(compareJudge({ ...binary, name: 'kind' }, 1, other, pairing)).toBeNull()
  })

  it('calls another category changed where nobody said which ones are good', () => {
    const from = tableOf([sorted], { a: ['a'], b: ['b'] })
    const to = tableOf([sorted], { a: ['b'], b: ['b'] })
    expect(compareJudge(sorted, 0, to, pairUp(to, from))).toMatchObject({
      better: 0,
      worse: 0,
      changed: 1,
      same: 1,
      mean_difference: null,
      interval: null,
    })
  })

  it('turns round with its sides', () => {
    const scores = fc.array(fc.tuple(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 10 })), {
      maxLength: 40,
    })
    fc.assert(
      fc.property(scores, (pairs) => {
        const side = (at: 0 | 1) =>
          tableOf([scored], Object.fromEntries(pairs.map((pair, key) => [`k${key}`, [String(pair[at])]])))
        const [left, right] = [side(0), side(1)]
        const there = compareJudge(scored, 0, right, pairUp(right, left))
        const back = compareJudge(scored, 0, left, pairUp(left, right))
        expect(there?.n).toBe(pairs.length)
        expect([there?.better, there?.worse, there?.same]).toEqual([back?.worse, back?.better, back?.same])
        expect((there?.better ?? 0) + (there?.worse ?? 0) + (there?.same ?? 0)).toBe(pairs.length)
        expect((there?.mean_difference ?? 0) + (back?.mean_difference ?? 0)).toBeCloseTo(0, 6)
      }),
      { numRuns: 60 },
    )
  })
})

describe('thresholds', () => {
  const before = tableOf([scored], { a: ['9'], b: ['9'], c: ['9'] })
  const now = tableOf([scored], { a: ['9'], b: ['6'], c: undefined })
  const judged = (table: EvaluationTable, baseline: EvaluationTable | undefined) =>
    table.judges.map((judge, at) => ({
      ...judge,
      ...judgeSummary(judge, at, table.items),
      comparison: baseline ? compareJudge(judge, at, table, pairUp(table, baseline)) : null,
    }))
  const check = (threshold: object, baseline: string | null = 'b', at: EvaluationTable | undefined = before) =>
    checkThresholds({ clarity: { max_failed: 0, ...threshold } }, judged(now, at), { total: 3, baseline }).map(
      ({ rule, passed, value }) => [rule, passed, value],
    )

  it('are each kept or missed; what has no verdict counts, even where nobody spoke of it', () => {
    expect(check({ min_mean: 7.5, max_worse: 0 })).toEqual([
      ['min_mean', true, 7.5],
      ['max_worse', false, 1],
      ['max_failed', false, 1],
    ])
    expect(check({ min_mean: 7.6, max_worse: 1, max_failed: 1 })).toEqual([
      ['min_mean', false, 7.5],
      ['max_worse', true, 1],
      ['max_failed', true, 1],
    ])
  })

  it('nothing is worse than no baseline yet; one that is gone is missed', () => {
    expect(check({ max_worse: 0, max_failed: 1 }, null, undefined)[0]).toEqual(['max_worse', true, 0])
    expect(
      checkThresholds({ clarity: { max_worse: 0, max_failed: 1 } }, judged(now, undefined), {
        total: 3,
        baseline: 'b',
      })[0],
    ).toMatchObject({ passed: false, reason: 'the baseline b has no such judge, or was deleted' })
  })
})

describe('the items', () => {
  it('are called by their id, or by what they give; the expected answer is not given to the run', () => {
    const { runs, expected, keys } = takeApart([
      { id: 7, text: 'a', expected: 'A' },
      { text: 'b', n: 1 },
      { n: 1, text: 'b', expected: null },
      { text: 'c' },
    ])
    expect(runs).toEqual([{ id: 7, text: 'a' }, { text: 'b', n: 1 }, { n: 1, text: 'b' }, { text: 'c' }])
    expect(expected).toEqual(['A', null, null, null])
    expect(keys[0]).toBe('7')
    expect(keys[2]).toBe(`${keys[1]}#2`)
    expect(new Set(keys).size).toBe(4)
    expect(takeApart([{ text: 'a' }, { expected: '' }]).expected).toBeUndefined()
  })

  it('have one id each', () => {
    expect(() => takeApart([{ id: 'x' }, {}, { id: 'x' }])).toThrow("Items 0 and 2 have the same id 'x'")
    expect(() => takeApart([{ id: {} }])).toThrow('Item 0 needs a text or a number')
  })

  it('keep their keys whatever their order', () => {
    const items = fc.uniqueArray(fc.integer(), { maxLength: 30 })
    fc.assert(
      fc.property(items, (numbers) => {
        const made = numbers.map((n) => ({ n }))
        const forward = takeApart(made).keys
        expect(takeApart([...made].reverse()).keys.reverse()).toEqual(forward)
      }),
    )
  })
})

describe("the quantile of Student's t distribution", () => {
  it.each([
    [1, 12.706205],
    [2, 4.302653],
    [3, 3.182446],
    [5, 2.570582],
    [9, 2.262157],
    [10, 2.228139],
    [20, 2.085963],
    [29, 2.04523],
    [30, 2.042272],
    [39, 2.022691],
    [60, 2.000298],
    [100, 1.983972],
    [120, 1.97993],
    [200, 1.971896],
    [1000, 1.962339],
    [100_000, 1.959988],
  ])('with %d degrees of freedom is that of the tables', (freedom, known) => {
    expect(quantileT(freedom)).toBeCloseTo(known, 5)
  })

  it('has the closed forms of one and two degrees of freedom', () => {
    expect(quantileT(1)).toBeCloseTo(Math.tan(Math.PI * 0.475), 10)
    expect(quantileT(2)).toBeCloseTo(0.95 / Math.sqrt(2 * 0.975 * 0.025), 10)
  })

  it('goes over from the series to the expansion without a step', () => {
    const fall = (freedom: number) => quantileT(freedom) - quantileT(freedom + 1)
    expect(fall(299) / fall(298)).toBeCloseTo(298 / 300, 4)
    expect(fall(300) / fall(299)).toBeCloseTo(299 / 301, 4)
  })

  it('falls towards that of the normal distribution', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), (freedom) => {
        expect(quantileT(freedom)).toBeGreaterThan(quantileT(freedom + 1))
        expect(quantileT(freedom)).toBeGreaterThan(1.95996)
      }),
      { numRuns: 50 },
    )
  })
})

describe('the interval of a mean', () => {
  it('is mean ± t · s / √n', () => {
    const values = [4, 5, 6, 7, 8] // mean 6, s = √2.5, t = 2.776445
    expect(mean(values)).toBe(6)
    expect(standardDeviation(values)).toBeCloseTo(1.5811388, 6)
    expect(meanInterval(values)?.low).toBeCloseTo(6 - 1.9632431, 5)
    expect(meanInterval(values)?.high).toBeCloseTo(6 + 1.9632431, 5)
  })

  it('is not known of fewer than two values, and has no width where all are the same', () => {
    expect([mean([]), meanInterval([]), meanInterval([3]), standardDeviation([3])]).toEqual([null, null, null, null])
    expect(meanInterval([3, 3, 3])).toEqual({ low: 3, high: 3 })
  })

  it('moves with the values, and holds their mean', () => {
    const values = fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: 2, maxLength: 50 })
    fc.assert(
      fc.property(values, fc.double({ min: -100, max: 100, noNaN: true }), (some, by) => {
        const interval = meanInterval(some)
        const moved = meanInterval(some.map((value) => value + by))
        const middle = mean(some) ?? Number.NaN
        expect(interval?.low).toBeLessThanOrEqual(middle + 1e-9)
        expect(interval?.high).toBeGreaterThanOrEqual(middle - 1e-9)
        expect(moved?.low).toBeCloseTo((interval?.low ?? 0) + by, 6)
      }),
      { numRuns: 100 },
    )
  })
})

describe('the interval of a share', () => {
  it.each([
    [0, 10, 0, 0.277533],
    [10, 10, 0.722467, 1],
    [5, 10, 0.236593, 0.763407],
    [81, 263, 0.255289, 0.366221], // the example of R. G. Newcombe, 1998
    [15, 148, 0.062386, 0.160509],
  ])('%d of %d', (hits, n, low, high) => {
    expect(shareInterval(hits, n)?.low).toBeCloseTo(low, 4)
    expect(shareInterval(hits, n)?.high).toBeCloseTo(high, 4)
  })

  it('stays within 0 and 1, holds the share, is the same from the other side, and is not known of none', () => {
    expect(shareInterval(0, 0)).toBeNull()
    fc.assert(
      fc.property(fc.nat(500), fc.nat(500), (hits, misses) => {
        const n = hits + misses
        fc.pre(n > 0)
        const { low, high } = shareInterval(hits, n) ?? { low: Number.NaN, high: Number.NaN }
        const other = shareInterval(misses, n)
        expect(low).toBeGreaterThanOrEqual(0)
        expect(high).toBeLessThanOrEqual(1)
        expect(low).toBeLessThanOrEqual(hits / n + 1e-12)
        expect(high).toBeGreaterThanOrEqual(hits / n - 1e-12)
        expect(other?.low).toBeCloseTo(1 - high, 9)
      }),
    )
  })
})

describe('the interval of a difference of shares over the same things', () => {
  it('is that of Bonett and Price', () => {
    // (10 + 1) / 102 − (4 + 1) / 102 = 0.058824; ± 1.959964 · √((0.156863 − 0.003460) / 102)
    expect(pairedShareInterval(10, 4, 100)?.low).toBeCloseTo(-0.017185, 5)
    expect(pairedShareInterval(10, 4, 100)?.high).toBeCloseTo(0.134832, 5)
  })

  it('turns its sign with the sides', () => {
    expect(pairedShareInterval(0, 0, 0)).toBeNull()
    fc.assert(
      fc.property(fc.nat(50), fc.nat(50), fc.nat(50), (gained, lost, same) => {
        fc.pre(gained + lost + same > 0)
        const there = pairedShareInterval(gained, lost, gained + lost + same)
        const back = pairedShareInterval(lost, gained, gained + lost + same)
        expect(there?.low).toBeCloseTo(-(back?.high ?? 0), 12)
      }),
    )
  })
})
