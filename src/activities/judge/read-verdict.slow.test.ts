import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { anyCharacter } from '../../../test/any-character.ts'
import type { Question } from './question.ts'
import { readVerdict } from './read-verdict.ts'

const scale: Question = { type: 'scale', min: 1, max: 5 }
const signed: Question = { type: 'scale', min: -5, max: 5 }
const labels: Question = { type: 'categorical', categories: ['excellent', 'good', 'not good', 'poor'] }
const letters: Question = { type: 'categorical', categories: ['A', 'B', 'C'] }
const binary: Question = { type: 'binary' }

describe('any text', () => {
  const questions = [scale, signed, labels, letters, binary]
  const piece = fc.oneof(
    fc.string({ unit: anyCharacter }),
    fc.json(),
    fc.constantFrom(
      '{',
      '}',
      '"',
      "'",
      '\\',
      '```json\n',
      '"score":',
      '"label":',
      '4',
      '/10',
      '-',
      ' to ',
      'good',
      '</think>',
    ),
  )
  const text = fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join(''))

  it('gives a verdict inside the question, or a reason', () => {
    fc.assert(
      fc.property(text, fc.constantFrom(...questions), fc.boolean(), (raw, question, withDimensions) => {
        const reading = readVerdict(raw, question, withDimensions ? ['tone'] : [])
        if ('problem' in reading) return reading.problem.length > 0
        const { score, label } = reading.verdict
        if (question.type === 'scale') return score !== null && score >= question.min && score <= question.max
        return label !== null && (question.type === 'binary' ? ['yes', 'no'] : question.categories).includes(label)
      }),
      { numRuns: 2000 },
    )
  })

  const million = 1_000_000
  const long: [string, string][] = [
    ['{', '{'],
    ['[{', '[{"a":'],
    ['objects', '{"a":1}'],
    ['objects to repair', '{a}'],
    ['open objects', '{"'],
    ['numbers', '4 '],
    ['one number', '4'],
    ['points', '4.'],
    ['fractions', '4/9 '],
    ['dashes', '1-'],
    ['spaces', ' '],
    ['spaces after a number', '4   '],
    ['lines', '\n1. '],
    ['slashes', '\\'],
    ['quotes', '"'],
    ['labels', 'good '],
    ['words', 'not very '],
    ['marks', '!*_ '],
    ['fences', '```\n'],
  ]
  it.each(long)('of a million characters (%s) is read in time that grows with it, not with its square', (_, unit) => {
    const raw = unit.repeat(Math.ceil(million / unit.length)).slice(0, million)
    const started = performance.now()
    for (const question of questions) readVerdict(raw, question)
    // 1.1 s for the slowest of them, measured; steps in the square of a million take minutes.
    expect(performance.now() - started).toBeLessThan(40_000)
  })
})
