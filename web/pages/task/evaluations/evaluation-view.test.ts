import { expect, test } from 'vitest'
import {
  changeMark,
  type ItemVerdict,
  intervalText,
  meanChangeText,
  meanText,
  verdictText,
} from './evaluation-view.tsx'

const binary = { binary: true }
const score = {}

test.each([
  [score, 7.79487, '7.795', '+7.795'],
  [binary, 0.974, '97.4 %', '+97.4 %'],
  [{ categories: ['a', 'b'] }, 1, '100 %', '+100 %'],
  [score, 0, '0', 'no change'],
  [score, null, '–', '–'],
])('%j: a mean of %s is %s', (judge, mean, text, change) => {
  expect([meanText(judge, mean), meanChangeText(judge, mean)]).toEqual([text, change])
})

test('what is less has a minus', () => {
  expect(meanChangeText(binary, -0.05)).toBe('−5 %')
})

test('an interval', () => {
  expect(intervalText(binary, { low: 0.5, high: 0.75, level: 0.95, method: 'wilson' })).toBe('50 % to 75 %')
  expect(intervalText(score, null)).toBe('')
})

const verdict: ItemVerdict = {
  ...{ status: 'completed', score: null, label: null, explanation: null, error: null },
  ...{ trajectory_id: null, before: null, change: null },
}
test.each([
  [{ label: 'yes', score: 1 }, 'yes'],
  [{ score: 3.5 }, '3.5'],
  [{ error: 'no answer' }, 'no answer'],
  [{ status: 'pending' as const }, 'pending'],
])('the verdict %j is %s', (more, text) => {
  expect(verdictText({ ...verdict, ...more })).toBe(text)
})

test('only what differs has a mark', () => {
  expect([changeMark('same'), changeMark(null), changeMark('worse')]).toEqual([
    ...[undefined, undefined],
    { of: 'failed', word: 'worse' },
  ])
})
