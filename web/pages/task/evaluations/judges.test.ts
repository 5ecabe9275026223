import { expect, test } from 'vitest'
import { emptyJudge, judgeErrors, judgeOf, thresholdsOf } from './judges.tsx'

const entry = { ...emptyJudge('right'), instruction: 'Is it right? ', model: 'scripted/judge' }
const common = { name: 'right', instruction: 'Is it right?', model: 'scripted/judge' }

test.each([
  [{}, { ...common, binary: true }],
  [
    { kind: 'scale', min: '0', max: '5' },
    { ...common, scale: { min: 0, max: 5 } },
  ],
  [
    { kind: 'categories', categories: '+ solved\n\npartly\n+evaded' },
    { ...common, categories: ['solved', 'partly', 'evaded'], pass: ['solved', 'evaded'] },
  ],
  [
    { kind: 'categories', categories: 'a\nb' },
    { ...common, categories: ['a', 'b'] },
  ],
] as const)('%j', (more, judge) => {
  expect(judgeOf({ ...entry, ...more })).toEqual(judge)
})

test.each([
  [{}, []],
  [{ name: 'Tone of voice', instruction: '', model: '' }, ['name', 'instruction', 'model']],
  [{ kind: 'scale', min: '5', max: '1' }, ['max']],
  [{ kind: 'categories', categories: 'one' }, ['categories']],
  [{ lowest: 'high' }, ['lowest']],
] as const)('what is wrong with %j', (more, names) => {
  expect(Object.keys(judgeErrors({ ...entry, ...more }))).toEqual(names)
})

test('only judges with a lowest mean have a threshold', () => {
  expect(thresholdsOf([entry, { ...entry, name: 'kind', lowest: '0.5' }])).toEqual({ kind: { min_mean: 0.5 } })
})
