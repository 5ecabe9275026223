import { expect, test } from 'vitest'
import { fitOf, rankedCommands } from './command-menu.tsx'

const commands = ['acme/hello', 'acme/summarize', 'shop/refund', 'Dark theme', 'Light theme', 'Sign out'].map(
  (text) => ({
    id: text,
    text,
    kind: text.includes('/') ? 'Task' : 'Do',
    run: () => {},
  }),
)
const ranked = (typed: string) => rankedCommands(commands, typed).map(({ text }) => text)

test.each([
  ['', commands.map(({ text }) => text)],
  ['sum', ['acme/summarize']],
  ['ref', ['shop/refund']],
  ['ah', ['acme/hello', 'Task']],
  ['theme', ['Dark theme', 'Light theme']],
  ['so', ['Sign out']],
  ['xyz', []],
])('%j finds its commands first', (typed, found) => {
  const first = found.filter((text) => text !== 'Task')
  expect(ranked(typed).slice(0, first.length)).toEqual(first)
  if (found.length === 0) expect(ranked(typed)).toEqual([])
})

test('letters in another order do not fit', () => {
  expect(fitOf('hello', 'olh')).toBe(0)
})

test('the beginning fits better than the middle', () => {
  expect(fitOf('run it', 'run')).toBeGreaterThan(fitOf('rerun it', 'run'))
})

test('there is an end to the list', () => {
  const many = Array.from({ length: 200 }, (_, at) => ({
    id: `${at}`,
    text: `task ${at}`,
    kind: 'Task',
    run: () => {},
  }))
  expect(rankedCommands(many, 'task')).toHaveLength(50)
})
