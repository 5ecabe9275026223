import { expect, test } from 'vitest'
import type { Judge } from '../../model/runs/evaluation.ts'
import type { ExperimentItemRow } from '../../store/runs/experiments.ts'
import { judgesOf } from './verdict.ts'

const judge: Judge = { name: 'passes', instruction: 'Is it good?', model: 'gpt-4o-mini', binary: true }

const row = (
  more: Partial<ExperimentItemRow>,
  verdict?: readonly [base: string, candidate: string],
): ExperimentItemRow => ({
  ...{ n: 0, first_n: 0, arm: 'candidate', repetition: 0, base_key: 'r', base_id: 'r', from_step: 'answer' },
  ...{ rest_usd: 0, state: 'ended', outcome: 'judged', reason: null, trial_id: 't' },
  verdicts: verdict ? JSON.stringify({ passes: { base: verdict[0], candidate: verdict[1] } }) : null,
  ...more,
})
const found = (items: readonly ExperimentItemRow[]) => judgesOf([judge], items, 2)[0]

test('a repetition that failed did not pass', () => {
  const items = [row({}, ['yes', 'yes']), row({ outcome: 'failed' }), row({ arm: 'base' }, ['yes', 'yes'])]
  expect(found(items)).toMatchObject({
    ...{ n: 1, same: 1 },
    repeats: { pass_all: 0, pass_any: 1, base_pass_all: 1, base_pass_any: 1, noise: 0 },
  })
})

test('a run is equal only if each execution of the candidate is', () => {
  const equal = row({ outcome: 'same_output' })
  expect(found([equal, equal])).toMatchObject({ n: 1, same: 1 })
  expect(found([equal, row({ outcome: 'unjudged' })])).toMatchObject({ n: 0 })
})

test('a trial that ended before a step that writes is compared with its own step, and is no repetition', () => {
  const cut = row({ outcome: 'stopped_before_effect' }, ['no', 'yes'])
  expect(found([cut, row({}, ['yes', 'yes']), row({ arm: 'base' }, ['yes', 'no'])])).toMatchObject({
    ...{ n: 1, better: 1, mean_difference: (1 + 0.5) / 2 },
    repeats: { pass_all: null, base_pass_all: 0, base_pass_any: 1, noise: expect.closeTo(Math.SQRT1_2, 6) },
  })
})

test('a run without all its repetitions counts for no share', () => {
  expect(found([row({}, ['yes', 'yes'])])?.repeats).toMatchObject({ pass_all: null, base_pass_any: null })
})
