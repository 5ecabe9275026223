import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { activity } from './declare.ts'
import { readActivityModule } from './read-module.ts'

const good = activity({
  name: 'count_words',
  description: 'Counts the words of a text.',
  parameters: z.object({ text: z.string().describe('Text to count.') }),
  outputs: z.object({ words: z.int().describe('Number of words.') }),
  run: async ({ text }) => ({ words: text.split(' ').length }),
})

describe('a module', () => {
  it('may export several activities, and constants and functions beside them', () => {
    const read = readActivityModule({
      default: good,
      other: { ...good, name: 'text.other', example: { activity: 'text.other' } },
      limit: 3,
      count: () => 1,
    })
    expect(read.problems).toEqual([])
    expect(read.activities.map(({ name, category, example }) => [name, category, example])).toEqual([
      ['count_words', 'own', { activity: 'count_words' }],
      ['text.other', 'own', { activity: 'text.other' }],
    ])
  })

  it('may export a plain object, which gets the same defaults', () => {
    const { name, description, parameters, outputs, run } = good
    expect(readActivityModule({ default: { name, description, parameters, outputs, run } }).activities).toMatchObject([
      { ...good, timeoutSeconds: undefined },
    ])
  })

  const { description: _, ...bare } = good
  it.each<[string, unknown, string]>([
    ['nothing', undefined, 'exports no activity; expected: export default activity({ … })'],
    ['a function', () => ({}), 'exports no activity'],
    ['a bad name', { ...good, name: 'Count Words' }, 'default.name: expected lower-case letters, digits, _ and dots'],
    ['no description', bare, 'default.description: Invalid input: expected string'],
    [
      'a JSON Schema',
      { ...good, parameters: { type: 'object' } },
      'default.parameters: expected z.object({…}) of zod 4',
    ],
    ['a text for a schema', { ...good, outputs: 'x' }, 'default.outputs: expected z.object({…}) of zod 4'],
    [
      'a bare parameter',
      { ...good, parameters: z.object({ x: z.string() }) },
      "default.parameters.x: expected .describe('…')",
    ],
    [
      'a name of the engine',
      { ...good, parameters: z.object({ options: z.string().describe('Options.') }) },
      'default.parameters.options: the engine reads this key',
    ],
    [
      'another category',
      { ...good, category: 'mine' },
      'default.category: Invalid option: expected one of "own"|"text"',
    ],
    ['an inner field', { ...good, asks: { kind: 'chat' } }, 'default: Unrecognized key: "asks"'],
    ['a secret that is no parameter', { ...good, secret: ['token'] }, "default.secret: there is no parameter 'token'"],
    [
      'an example of another',
      { ...good, example: { activity: 'x' } },
      "default.example.activity: expected 'count_words'",
    ],
    ['no function', { ...good, run: 'x' }, 'default.run: expected a function'],
  ])('with %s is refused by field', (_name, exported, problem) => {
    expect(readActivityModule({ default: exported }).problems.join('\n')).toContain(problem)
  })
})
