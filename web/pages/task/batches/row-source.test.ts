import { expect, it, test } from 'vitest'
import { firstLines, makeLatest, rowsOf } from './row-source.tsx'

test.each([
  ['', { rows: [] }],
  ['{"a": 1}\n\n{"a": 2}\r\n', { rows: [{ a: 1 }, { a: 2 }] }],
  ['[{"a": 1}, {"a": 2}]', { rows: [{ a: 1 }, { a: 2 }] }],
  ['{\n  "a": 1\n}', { rows: [{ a: 1 }] }],
  ['[{"a": 1}, 2]', { error: 'Row 2 of the array is not an object' }],
  ['{"a": 1}\n{"a": }', { error: 'Line 2 is not a JSON object, such as {"text": "hello"}' }],
  ['a,b\n1,2', { error: 'Line 1 is not a JSON object, such as {"text": "hello"}' }],
])('%j', (text, read) => {
  expect(rowsOf(text)).toEqual(read)
})

test('the first lines, and whether there are more', () => {
  expect(firstLines('a\r\nb\nc\n', 2)).toEqual({ lines: ['a', 'b'], more: true })
  expect(firstLines('a\nb\n', 2)).toEqual({ lines: ['a', 'b'], more: false })
  expect(firstLines('', 2)).toEqual({ lines: [], more: false })
})

it('gives only what the last call asked for, whichever comes first', async () => {
  const latest = makeLatest()
  let answer = (_: string) => {}
  const slow = latest(
    new Promise<string>((resolve) => {
      answer = resolve
    }),
  )
  const quick = latest(Promise.resolve('second'))
  answer('first')
  expect(await Promise.all([slow, quick])).toEqual([undefined, 'second'])
  const dropped = latest(Promise.resolve('third'))
  void latest(undefined)
  expect(await dropped).toBeUndefined()
})
