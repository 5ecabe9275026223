import { expect, it } from 'vitest'
import { step } from '../test-steps.ts'
import { loopAround, timelineRows } from './rows.ts'

const total = ['first', 'draft', 'again', 'save']
const counter = { activity: 'loop_counter' }
const steps = [
  step('first'),
  step('draft'),
  step('again', 0, 1, counter),
  step('draft__2', 0, 1, { status: 'failed' }),
  step('again__2', 0, 1, counter),
]
const shown = (opened: string[] = []) => timelineRows(steps, total, new Set(opened)).map((row) => [row.kind, row.id])

it('shows a loop as one row, and what is still to come', () => {
  expect(shown()).toEqual([
    ['step', 'first'],
    ['loop', ':again'],
    ['pending', 'save'],
  ])
  expect(timelineRows(steps, total, new Set())[1]).toMatchObject({ turns: 2, counts: { completed: 3, failed: 1 } })
})

it('shows the steps of an open loop below it', () => {
  expect(shown([':again'])).toEqual([
    ['step', 'first'],
    ['loop', ':again'],
    ['step', 'draft'],
    ['step', 'again'],
    ['step', 'draft__2'],
    ['step', 'again__2'],
    ['pending', 'save'],
  ])
})

it.each([
  ['draft__2', ':again'],
  ['draft', ':again'],
  ['first', undefined],
  ['unknown', undefined],
])('the loop around %s is %s', (key, loop) => {
  expect(loopAround(key, steps, total)).toBe(loop)
})
