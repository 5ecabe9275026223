import { expect, test } from 'vitest'
import { spanAt } from './text-span.ts'

const text = 'agent: nobody\n\nWrite {{subject}} now  \nend'
const at = (line: number, column: number) => {
  const { from, to } = spanAt(text, { line, column })
  return text.slice(from, to)
}

test.each([
  [1, 1, 'agent: nobody'],
  [1, 8, 'nobody'],
  [2, 1, ''],
  [3, 7, '{{subject}}'],
  [3, 1, 'Write {{subject}} now'],
  [3, 99, 'Write {{subject}} now'],
  [4, 2, 'nd'],
  [9, 1, 'end'],
])('line %s, column %s underlines %j', (line, column, underlined) => {
  expect(at(line, column)).toBe(underlined)
})

test('an empty text has a place, too', () => {
  expect(spanAt('', { line: 1, column: 1 })).toEqual({ from: 0, to: 0 })
})
