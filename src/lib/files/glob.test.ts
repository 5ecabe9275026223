import fc from 'fast-check'
import { expect, it } from 'vitest'
import { globMatcher } from './glob.ts'

it.each([
  ['*.md', 'a.md', true],
  ['*.md', '.md', true],
  ['*.md', 'a.mdx', false],
  ['*.md', 'x/a.md', false],
  ['**.md', 'x/a.md', true],
  ['**', 'any/thing', true],
  ['**', '', true],
  ['*', '', true],
  ['?', '', false],
  ['?', '🚀', true],
  ['?', '/', false],
  ['a?c', 'abc', true],
  ['**/a.md', 'a.md', true],
  ['**/a.md', 'x/y/a.md', true],
  ['**/a.md', 'xa.md', false],
  ['x/**/a.md', 'x/a.md', true],
  ['x/**/a.md', 'x/y/z/a.md', true],
  ['x/**/a.md', 'xy/a.md', false],
  ['x/**', 'x/', true],
  ['x/**', 'x', false],
  ['x**/a', 'xy/z/a', true],
  ['***/a', 'b/a', true],
  ['**/**/', '', true],
  ['a.c', 'abc', false],
  ['[ab](c)+$^', '[ab](c)+$^', true],
  ['', '', true],
  ['', 'a', false],
])('%j on %j: %j', (pattern, text, matches) => expect(globMatcher(pattern)(text)).toBe(matches))

it('agrees with the regular expression that says the same', () => {
  const pattern = fc.array(fc.constantFrom('*', '?', 'a', 'b', '/'), { maxLength: 8 }).map((parts) => parts.join(''))
  const text = fc.array(fc.constantFrom('a', 'b', '/'), { maxLength: 8 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(pattern, text, (glob, name) => {
      const expression = glob
        .replace(/\*\*+/g, '**')
        .replace(/(?<=^|\/)\*\*\//g, '<folders>')
        .replaceAll('**', '<any>')
        .replaceAll('*', '[^/]*')
        .replaceAll('?', '[^/]')
        .replaceAll('<any>', '.*')
        .replaceAll('<folders>', '(?:.*/)?')
      expect(globMatcher(glob)(name)).toBe(new RegExp(`^${expression}$`).test(name))
    }),
    { numRuns: 2000, examples: [['**/**/', '']] },
  )
})

it('is not slowed down by what makes regular expressions explode', () => {
  expect(globMatcher(`${'*a'.repeat(200)}b`)('a'.repeat(1000))).toBe(false)
  expect(globMatcher(`${'**/'.repeat(300)}b`)('a/'.repeat(500))).toBe(false)
})
