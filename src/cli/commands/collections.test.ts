import { expect, test } from 'vitest'
import { labelWithDays, numberOrNone, type RetentionOptions, retentionChange } from './collections.ts'

test.each<[RetentionOptions, unknown]>([
  [{}, undefined],
  [{ task: 'nightly' }, undefined],
  [{ days: 90 }, { retention_days: 90 }],
  [
    { days: null, runs: null },
    { retention_days: null, retention: { runs: null } },
  ],
  [{ task: 'nightly', days: 7, bytes: 1024 }, { retention: { tasks: { nightly: { days: 7, bytes: 1024 } } } }],
  [{ keepLabel: ['golden', 'grade:good'] }, { retention: { keep_labels: ['golden', 'grade:good'] } }],
  [{ keepLabel: ['none'] }, { retention: { keep_labels: null } }],
  [
    {
      labelDays: [
        ['env:test', 1],
        ['old', null],
      ],
    },
    { retention: { labels: { 'env:test': { days: 1 }, old: null } } },
  ],
])('the options %j ask for %j', (options, change) => {
  expect(retentionChange(options)).toEqual(change)
})

test('labels and days are parsed, and repeated', () => {
  expect(labelWithDays('old=none', labelWithDays('env:a=b=3'))).toEqual([
    ['env:a=b', 3],
    ['old', null],
  ])
  for (const wrong of ['=1', 'label', 'label=', 'label=0', 'label=x'])
    expect(() => labelWithDays(wrong)).toThrow('Expected')
  expect(() => numberOrNone('1.5')).toThrow('Expected a whole number')
})
