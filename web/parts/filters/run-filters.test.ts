import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseSearch, searchText } from '../../data/search-text.ts'
import {
  chipsOf,
  filterQuery,
  filterSearch,
  isFiltered,
  listQuery,
  negatedFilter,
  noFilters,
  type RunFilters,
  readFilters,
  sinceMs,
  sortedBy,
  withFilter,
  withoutFilter,
  withoutLimits,
} from './run-filters.ts'

const text = fc.string({ minLength: 1, unit: 'grapheme' })
const values = fc.uniqueArray(text, { maxLength: 3 })
const optional = fc.option(text, { nil: undefined })
const amount = fc.option(fc.nat(1_000_000_000).map(String), { nil: undefined })
const anyFilters: fc.Arbitrary<RunFilters> = fc
  .record({
    status: values,
    status_not: values,
    label: values,
    label_not: values,
    task: values,
    task_not: values,
    trigger: values,
    author: values,
    waiting_for: values,
    min_cost_usd: amount,
    max_cost_usd: amount,
    min_duration_seconds: amount,
    max_duration_seconds: amount,
    sort: fc.constantFrom(undefined, 'duration' as const, 'cost' as const),
    order: fc.constantFrom(undefined, 'asc' as const),
    q: optional,
    error: optional,
    model: optional,
    version: optional,
    parent_id: optional,
    since: fc.constantFrom(undefined, '30m', '24h', '7d'),
    children: fc.constantFrom(undefined, 'shown' as const),
  })
  .map((made) => Object.fromEntries(Object.entries(made).filter(([, value]) => value !== undefined)) as RunFilters)

describe('filters and the address', () => {
  test('what an address was written from is read back', () => {
    fc.assert(
      fc.property(anyFilters, (filters) => {
        expect(readFilters(parseSearch(searchText(filterSearch(filters))))).toEqual(filters)
      }),
    )
  })

  test('any address can be read', () => {
    fc.assert(
      fc.property(fc.dictionary(text, fc.anything()), (search) => {
        expect(chipsOf(readFilters(search))).toBeInstanceOf(Array)
      }),
    )
  })

  test.each([
    ['', {}],
    ['?status=failed&status=running', { status: ['failed', 'running'] }],
    ['?label_not=reviewed:yes&q=ports', { label_not: ['reviewed:yes'], q: 'ports' }],
    ['?since=7d&children=shown', { since: '7d', children: 'shown' }],
    ['?since=forever&children=no&unknown=1&q=', {}],
    ['?sort=cost&order=asc&min_cost_usd=0.5', { sort: 'cost', order: 'asc', min_cost_usd: '0.5' }],
    ['?sort=tokens&order=up&min_cost_usd=much&max_duration_seconds=-1', {}],
  ])('%s', (address, filters) => {
    expect(readFilters(parseSearch(address))).toEqual({ ...noFilters, ...filters })
  })
})

describe('restrictions', () => {
  test('each one can be removed', () => {
    fc.assert(
      fc.property(anyFilters, (filters) => {
        const left = chipsOf(filters).reduce((rest, chip) => withoutFilter(rest, chip), filters)
        expect(chipsOf(left)).toEqual([])
      }),
    )
  })

  test('an opposite of an opposite is where it began', () => {
    const filters = withFilter(noFilters, 'label', 'reviewed')
    const [chip] = chipsOf(filters)
    const negated = negatedFilter(filters, chip as NonNullable<typeof chip>)
    expect(negated).toEqual({ ...noFilters, label_not: ['reviewed'] })
    const [back] = chipsOf(negated)
    expect(back).toMatchObject({ field: 'label', isNot: true, value: 'reviewed' })
    expect(negatedFilter(negated, back as NonNullable<typeof back>)).toEqual(filters)
  })

  test('what is shown of a bound, and of a wait', () => {
    const filters = { ...noFilters, min_cost_usd: '0.5', max_duration_seconds: '300', waiting_for: ['approval'] }
    expect(chipsOf(filters).map(({ field, text }) => `${field} ${text}`)).toEqual([
      'waiting for a person',
      'cost at least $0.5',
      'took at most 5 min',
    ])
  })

  test('the order: a column that sorts already is turned round', () => {
    const longest = sortedBy(noFilters, 'duration')
    expect(longest).toEqual({ ...noFilters, sort: 'duration' })
    expect(sortedBy(longest, 'duration')).toEqual({ ...longest, order: 'asc' })
    expect(sortedBy(sortedBy(longest, 'duration'), 'duration')).toEqual(longest)
    expect(sortedBy(longest, 'created')).toEqual(noFilters)
    expect(withoutLimits({ ...longest, q: 'x', status: ['failed'] })).toEqual(longest)
    expect(filterQuery(longest, 0)).toEqual({ ...noFilters, top_level: true })
    expect(listQuery(longest, 0)).toEqual({ ...noFilters, top_level: true, sort: 'duration' })
  })

  test('one that has no opposite stays', () => {
    const filters = withFilter(noFilters, 'model', 'scripted/echo')
    const [chip] = chipsOf(filters)
    expect(negatedFilter(filters, chip as NonNullable<typeof chip>)).toBe(filters)
  })

  test.each([
    [noFilters, false],
    [{ ...noFilters, children: 'shown' as const }, false],
    [{ ...noFilters, q: 'x' }, true],
    [{ ...noFilters, since: '7d' }, true],
    [{ ...noFilters, status_not: ['failed'] }, true],
  ])('%j', (filters, isLimited) => {
    expect(isFiltered(filters)).toBe(isLimited)
  })
})

describe('the query of the API', () => {
  const now = Date.parse('2026-11-28T12:00:00Z')

  test('folds children into their parents', () => {
    expect(filterQuery(noFilters, now)).toEqual({ ...noFilters, top_level: true })
    expect(filterQuery({ ...noFilters, children: 'shown' }, now)).toEqual(noFilters)
    expect(filterQuery({ ...noFilters, parent_id: '1a2b' }, now)).toEqual({ ...noFilters, parent_id: '1a2b' })
  })

  test('turns a time span into a moment', () => {
    expect(filterQuery({ ...noFilters, since: '24h' }, now)).toMatchObject({
      created_after: '2026-11-27T12:00:00.000Z',
    })
  })

  test.each([
    ['30m', 1_800_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['7', undefined],
    ['-1d', undefined],
    ['1y', undefined],
  ])('%s is %s milliseconds', (span, ms) => {
    expect(sinceMs(span)).toBe(ms)
  })
})
