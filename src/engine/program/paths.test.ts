import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parsePath, readPath, whyNotFound } from './paths.ts'

const read = (value: unknown, text: string) => {
  const path = parsePath(`r${text}`)
  if (!path) throw new Error(`no path: ${text}`)
  return readPath(value, path.segments)
}
const document = {
  items: [{ id: 1, tags: ['a', 'b'] }, { id: 2, tags: [] }, { id: null, tags: ['c'] }, { tags: ['d'] }],
  'odd key.': { x: 7 },
  map: { one: { n: 1 }, two: { n: 2 } },
  empty: [],
}

describe('reading a path', () => {
  it.each<[string, unknown]>([
    ['.items[0].id', 1],
    ['.items[-1].tags.0', 'd'],
    ['.items.1.id', 2],
    ['.items[*].id', [1, 2, null]],
    ['.items[*].tags', [['a', 'b'], [], ['c'], ['d']]],
    ['.items[*].tags[*]', ['a', 'b', 'c', 'd']],
    ['.map[*].n', [1, 2]],
    ['.empty[*].x', []],
    ["['odd key.'].x", 7],
    ['["odd key."].x', 7],
    ['', document],
  ])('%s', (text, expected) => {
    expect(read(document, text)).toEqual({ found: true, value: expected })
  })

  it.each<[string, string]>([
    ['.items[9].id', "'root.items' is a list of 4 and has no '[9]'"],
    ['.items.id', "'root.items' is a list of 4 and has no 'id'; [*] reads each of its elements"],
    ['.map.three', "'root.map' has no 'three', only one, two"],
    ['.map.tow', "'root.map' has no 'tow', only one, two; did you mean 'two'?"],
    ['.map[0]', "'root.map' has no '[0]', only one, two"],
    ['.items[0].id[*]', "'root.items[0].id' is a number and has no '[*]'"],
    ['.items[2].id.x', "'root.items[2].id' is null"],
    ['.map.toString', "'root.map' has no 'toString', only one, two"],
    ['.map.__proto__', "'root.map' has no '__proto__', only one, two"],
  ])('%s leads to nothing and says where', (text, reason) => {
    const path = parsePath(`root${text}`)!
    const result = readPath(document, path.segments)
    expect(result.found || whyNotFound(path, result)).toBe(reason)
  })

  it('takes its time from the names, not from the keys of a large object', () => {
    const keys = Array.from({ length: 100_000 }, (_, at) => [`${'k'.repeat(at % 500)}${at}`, at])
    const path = parsePath('root.missing')!
    const reason = whyNotFound(path, { found: false, at: 0, within: Object.fromEntries(keys) })
    expect(reason).toMatch(/^'root' has no 'missing', only 0, 500, .*, …$/)
  })

  it.each(['', '.a', 'a b', 'a..b', 'a[', 'a[]', 'a[x]', 'a[1.5]', "a['x", 'a.', 'a/b', '[0]', 'é'])(
    '%j is no path',
    (text) => {
      expect(parsePath(text)).toBeUndefined()
    },
  )
})

describe('any text and any value', () => {
  it('parses without throwing, and what it parses can be read from anything', () => {
    const pathLike = fc.array(
      fc.constantFrom('a', '.', '[', ']', '*', '0', '-1', "'", '"', ' ', '__proto__', 'length'),
      { maxLength: 30 },
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          pathLike.map((parts) => parts.join('')),
        ),
        fc.jsonValue(),
        (text, value) => {
          const path = parsePath(text)
          if (path) readPath(value, path.segments)
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('finds every value at the path that leads to it', () => {
    const walk = (value: unknown, path: string): [string, unknown][] => {
      if (typeof value !== 'object' || value === null) return [[path, value]]
      return Object.entries(value).flatMap(([key, item]) =>
        walk(item, Array.isArray(value) ? `${path}[${key}]` : `${path}['${key}']`),
      )
    }
    const quotable = fc.string().filter((key) => !key.includes("'") && key !== '__proto__')
    const tree = fc.letrec((tie) => ({
      value: fc.oneof(
        fc.integer(),
        fc.string(),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(quotable, tie('value'), { maxKeys: 3 }),
      ),
    }))
    fc.assert(
      fc.property(tree.value, (value) => {
        for (const [path, expected] of walk(value, '')) {
          const parsed = parsePath(`r${path}`)
          if (!parsed || parsed.text !== `r${path}`) continue // trimmed away
          expect(readPath(value, parsed.segments)).toEqual({ found: true, value: expected })
        }
      }),
    )
  })
})
