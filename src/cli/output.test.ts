import { expect, it } from 'vitest'
import { fields, table } from './output.ts'

const mark = (text: string) => `<${text}>`

it('colours what it is told to, and carries out no escape sequence that stands in a value', () => {
  expect(fields([['status', 'completed', mark]])).toMatch(/ {2}<completed>$/)
  expect(fields([['status', '\u001b[31mred\u009b', mark]])).toMatch(/ {2}<�\[31mred�>$/)
  expect(table(['NAME'], [['\u001b]8;;x']], mark)).toMatch(/\n<�]8;;x>$/)
})
