import { expect, test } from 'vitest'
import { changedSettings, shownSettings } from '../../../../src/model/collections/collection-settings.ts'
import { retentionTrialSchema } from '../../../../src/model/collections/retention-preview.ts'
import {
  changeOfRules,
  isFaulty,
  labelFaults,
  limitFaults,
  type RetentionEntry,
  retentionEntry,
  taskFaults,
} from './retention-entry.ts'

const none = { days: '', runs: '', gigabytes: '' }
const stored = {
  retention_days: 90,
  retention: {
    ...{ runs: 1000, bytes: 10_737_418_240, keep_labels: ['golden'], labels: { 'env:test': { days: 1 } } },
    tasks: { nightly: { days: 7, runs: 100 }, weekly: { bytes: 500_000_000 } },
  },
}
const saved = shownSettings(stored)
const entry: RetentionEntry = {
  all: { days: '90', runs: '1000', gigabytes: '10.73741824' },
  labels: [
    { label: 'golden', isKept: true, days: '' },
    { label: 'env:test', isKept: false, days: '1' },
  ],
  tasks: [
    { task: 'nightly', days: '7', runs: '100', gigabytes: '' },
    { task: 'weekly', days: '', runs: '', gigabytes: '0.5' },
  ],
}

test('entries show the saved rules, and change nothing by themselves', () => {
  expect(retentionEntry(saved)).toEqual(entry)
  expect(retentionEntry(shownSettings(changedSettings(stored, changeOfRules(entry, saved))))).toEqual(entry)
})

test('a rule that is taken out is removed from what is saved', () => {
  const change = changeOfRules(
    { all: none, labels: [{ label: ' grade:good ', isKept: true, days: '' }], tasks: [] },
    saved,
  )
  expect(retentionTrialSchema.safeParse(change).success).toBe(true)
  expect(changedSettings(stored, change)).toEqual({ retention: { keep_labels: ['grade:good'] } })
  const empty = changeOfRules({ all: none, labels: [], tasks: [] }, saved)
  expect(changedSettings(stored, empty)).toEqual({})
})

test.each([
  [none, {}],
  [
    { days: '36501', runs: '0', gigabytes: '-1' },
    { days: true, runs: true, gigabytes: true },
  ],
  [
    { days: '1.5', runs: 'ten', gigabytes: '0.0000000001' },
    { days: true, runs: true, gigabytes: true },
  ],
  [{ days: ' 30 ', runs: '1', gigabytes: '0.5' }, {}],
])('limits %j', (limits, faulty) => {
  expect(Object.keys(limitFaults(limits))).toEqual(Object.keys(faulty))
})

test('a label and a task have one rule each', () => {
  const twice = { label: 'golden', isKept: true, days: '' }
  expect(labelFaults(twice, [twice, { label: 'golden ', isKept: false, days: '3' }])).toEqual({
    label: 'Another rule has this label',
  })
  expect(Object.keys(labelFaults({ label: ':x', isKept: false, days: '' }, []))).toEqual(['label', 'days'])
  expect(taskFaults({ task: 'a', ...none }, [])).toEqual({ task: 'Write a limit' })
  expect(taskFaults({ task: '', ...none, days: '1' }, [])).toEqual({ task: 'Choose a task' })
  const task = { task: 'a', ...none, days: '1' }
  expect(taskFaults(task, [task, task])).toEqual({ task: 'Another rule has this task' })
  expect([isFaulty(entry), isFaulty({ ...entry, tasks: [task, task] })]).toEqual([false, true])
})
