import fc from 'fast-check'
import { expect, test } from 'vitest'
import { previewCharacters, referenceText } from './large-value.ts'

const previewOf = (value: unknown, characters = 2 * previewCharacters) => {
  const beginning = JSON.stringify(value).slice(0, characters)
  return JSON.parse(referenceText({ beginning, bytes: 1, href: '/x' })).$large
}

test.each([
  ['short', { type: 'string', preview: 'short' }],
  [[1, 'two'], { type: 'array', preview: '[1,"two"]' }],
  [{ a: null }, { type: 'object', preview: '{"a":null}' }],
  [12.5, { type: 'number', preview: '12.5' }],
])('the preview of %j', (value, expected) => expect(previewOf(value)).toEqual({ bytes: 1, href: '/x', ...expected }))

test('the preview of any string is its beginning, wherever the text was cut', () => {
  const character = fc.constantFrom('a', '"', '\\', '\n', '\u0001', '😀', 'é', '\\u00')
  const text = fc.array(character, { minLength: 900, maxLength: 1_100 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(text, (value) => {
      const { type, preview } = previewOf(value)
      expect(type).toBe('string')
      expect(value.startsWith(preview)).toBe(true)
      expect(preview.length).toBeGreaterThan(100)
      expect(preview.length).toBeLessThanOrEqual(previewCharacters)
    }),
  )
})
