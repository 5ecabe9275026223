import { expect, it } from 'vitest'
import { duration, fields, table } from './output.ts'

const mark = (text: string) => `<${text}>`

it('colours what it is told to, and carries out no escape sequence that stands in a value', () => {
  expect(fields([['status', 'completed', mark]])).toMatch(/ {2}<completed>$/)
  expect(fields([['status', '\u001b[31mred\u009b', mark]])).toMatch(/ {2}<�\[31mred�>$/)
  expect(table(['NAME'], [['\u001b]8;;x']], mark)).toMatch(/\n<�]8;;x>$/)
})

it('a duration has two units at the most, and never sixty of the smaller one', () => {
  const shown = [0.04, 3.21, 9.97, 59.7, 119.7, 3599.6, 7199].map(duration)
  expect(shown).toEqual(['40 ms', '3.2 s', '10 s', '1 min 0 s', '2 min 0 s', '1 h 0 min', '2 h 0 min'])
})
