import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { firstOpened, jsonLines, lineId, pathExpressionOf, searchSteps } from './flatten.ts'

/** A search from beginning to end; undefined without a text. */
const searchJson = (value: unknown, query: string) =>
  query === '' ? undefined : searchSteps(value, query, Number.POSITIVE_INFINITY).next().value

const shown = (value: unknown, opened: string[] = [], query = '') =>
  jsonLines(value, new Set(opened), { found: searchJson(value, query) }).map(
    ({ key, preview, depth }) => `${' '.repeat(depth)}${key ?? ''}:${preview}`,
  )

const value = { a: 1, b: { c: ['x', null], 'odd key': true }, d: {} }

describe('lines of a value', () => {
  it('are closed at first', () => {
    expect(shown(value)).toEqual(['a:1', 'b:', 'd:'])
  })

  it('show what is open', () => {
    expect(shown(value, [lineId(['b']), lineId(['b', 'c'])])).toEqual([
      'a:1',
      'b:',
      ' c:',
      '  0:"x"',
      '  1:null',
      ' odd key:true',
      'd:',
    ])
  })

  it('show a leaf on one line, and the beginning of a long text', () => {
    expect(shown('x\ny')).toEqual([':"x\\ny"'])
    expect(shown({ a: 'é'.repeat(500) })[0]).toHaveLength(2 + 201)
  })

  it('show a long list in parts', () => {
    const list = Array.from({ length: 250 }, (_, index) => index)
    expect(shown(list)).toEqual([':0 … 99', ':100 … 199', ':200 … 249'])
    expect(shown(list, [`${lineId([])}200`])).toHaveLength(53)
  })

  it('name a value that the server left out, and nothing that only looks like one', () => {
    const value = { text: { $large: { bytes: 70_000, type: 'string', preview: 'abc', href: '/x' } } }
    const kinds = (large: Set<string>) =>
      jsonLines(value, new Set(), { large }).map(({ kind, preview }) => [kind, preview])
    expect(kinds(new Set([lineId(['text'])]))).toEqual([['large', 'abc']])
    expect(kinds(new Set())).toEqual([['object', '']])
  })
})

describe('a search', () => {
  it('opens the way to what it finds, and shows nothing else', () => {
    expect(shown(value, [], 'X')).toEqual(['b:', ' c:', '  0:"x"'])
  })

  it('shows everything below a name that it finds', () => {
    expect(shown(value, [lineId(['b', 'c'])], 'c')).toEqual(['b:', ' c:', '  0:"x"', '  1:null'])
  })

  it('finds every leaf that holds the text', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const given = { marked: 'needle', rest: JSON.parse(text) as unknown }
        expect(searchJson(given, 'needle')?.hits).toContain(lineId(['marked']))
      }),
    )
  })

  it('finds the last of a million values, and yields on the way', () => {
    const list = Array.from({ length: 1_000_000 }, (_, index) => (index === 999_999 ? 'needle' : index))
    const steps = searchSteps(list, 'needle', 400_000)
    const partial = [steps.next(), steps.next()].map(({ value, done }) => [done, value.hits.length, value.isPartial])
    const last = steps.next()
    expect(partial).toEqual([
      [false, 0, true],
      [false, 0, true],
    ])
    expect([last.done, last.value.hits, last.value.isPartial]).toEqual([true, [lineId([999_999])], false])
  })

  it('ends after a thousand places', () => {
    const found = searchJson(
      Array.from({ length: 5_000 }, () => 'same'),
      'same',
    )
    expect([found?.hits.length, found?.isPartial]).toEqual([1_000, true])
  })
})

it.each([
  ['ask.outputs', ['items', 0, 'name'], 'ask.outputs.items[0].name'],
  ['init_params', ['odd key'], "init_params['odd key']"],
  ['init_params', ["it's"], 'init_params["it\'s"]'],
  ['', ['a'], 'a'],
])('the path below %j to %j is %s', (base, at, path) => {
  expect(pathExpressionOf(base, at)).toBe(path)
})

it('opens what is small at first', () => {
  expect(firstOpened(value)).toEqual(new Set([[], ['b'], ['b', 'c'], ['d']].map(lineId)))
  expect(firstOpened({ list: Array.from({ length: 500 }) })).toEqual(new Set([lineId([])]))
})
