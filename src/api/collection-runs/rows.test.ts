import fc from 'fast-check'
import { expect, test } from 'vitest'
import { inputPreview } from './rows.ts'

test.each([
  ['{}', null],
  ['', null],
  ['{"item":"Oslo"}', 'Oslo'],
  ['{"item":{"name":"order 3","bad":true}}', 'name: order 3 · bad: true'],
  ['{"language":"en","item":{"n":3.5,"at":null}}', 'language: en · n: 3.5 · at: null'],
  ['{"items":[{"name":"a]"},[1]],"task":"t"}', 'items: […] · task: t'],
  ['{"a":{},"b":1}', 'b: 1'],
  ['{"text":"two\\nlines \\"here\\""}', 'text: two lines "here"'],
  ['{"item":{"name":"cut o', 'name: cut o'],
  ['{"item":{"name":"half an escape \\u00', 'name: half an escape '],
  ['{"items":[1,2', 'items: […]'],
])('%s', (json, preview) => {
  expect(inputPreview(json)).toBe(preview)
})

test('a long value and many members are cut', () => {
  expect(inputPreview(JSON.stringify({ text: 'x'.repeat(500) }))).toHaveLength('text: '.length + 60)
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`member${at}`, at]))
  expect(inputPreview(JSON.stringify(many))).toHaveLength(120)
})

test('any JSON, cut anywhere, gives one short line', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.nat(200), (any, length) => {
      const preview = inputPreview(JSON.stringify({ item: any }).slice(0, length))
      expect(preview?.length ?? 0).toBeLessThanOrEqual(120)
      expect(preview ?? '').not.toContain('\n')
    }),
  )
})
