import { expect, test } from 'vitest'
import { candidateText, repeatsSentence, verdictSentence } from './experiment-view.tsx'

const judge = {
  ...{ name: 'good', n: 20, better: 15, worse: 1, same: 4, p: 0.0001, p_adjusted: 0.0001, detectable: 0.4 },
  ...{
    mean_difference: 1.25,
    interval: { low: 0.8, high: 1.7 },
    verdict: 'better' as const,
    scale: { min: 1, max: 10 },
  },
  repeats: null,
}

test.each([
  [judge, 'better by 1.25, between 0.8 and 1.7 (p < 0.001)'],
  [
    {
      ...{ ...judge, scale: null, verdict: 'worse' as const, p_adjusted: 0.04 },
      ...{ mean_difference: -0.25, interval: { low: -0.4, high: -0.1 } },
    },
    'worse by 25 %, between −40 % and −10 % (p 0.040)',
  ],
  [{ ...judge, verdict: 'no_difference' as const }, 'no difference seen; 0.4 would have been seen'],
  [{ ...judge, verdict: 'no_difference' as const, detectable: null }, 'no difference seen'],
  [{ ...judge, n: 0, mean_difference: null }, 'nothing judged yet'],
])('a verdict in words: %#', (given, words) => expect(verdictSentence(given)).toBe(words))

test.each([
  [{ version: null, index: null, models: {}, init_params: {} }, 'a text'],
  [{ version: 'production', index: 12, models: {}, init_params: {} }, 'v12 (production)'],
  [{ version: '~3', index: 3, models: { a: 'b' }, init_params: { tone: 'dry' } }, 'v3, b for a, another tone'],
])('a candidate in words: %#', (candidate, words) => expect(candidateText({ candidate })).toBe(words))

const unknown = { pass_all: null, pass_any: null, base_pass_all: null, base_pass_any: null }
test.each([
  [{ ...judge, repeats: { ...unknown, noise: 0.815 } }, 'repeated, the recorded version varies by 0.81'],
  [
    {
      ...{ ...judge, scale: null },
      repeats: { noise: 0.31, pass_all: 0.5, pass_any: 0.9, base_pass_all: 0.75, base_pass_any: 1 },
    },
    'repeated, the recorded version varies by 31 % · every repetition passes in 50 % of runs · before in 75 %',
  ],
  [{ ...judge, repeats: { ...unknown, noise: null } }, ''],
])('repetitions in words: %#', (given, words) => expect(repeatsSentence(given)).toBe(words))
