import { describe, expect, it } from 'vitest'
import { at, step } from '../test-steps.ts'
import { stretchesOf } from './bar.tsx'

const noon = Date.parse(at(0))
const shown = (...of: Parameters<typeof stretchesOf>) =>
  stretchesOf(...of).map(({ kind, from, to }) => [kind, from - noon, to - noon])

describe('stretches of a step', () => {
  it.each([
    ['completed', step('a', 5, 20), [['execute', 5, 20]]],
    [
      'with a queue before it',
      step('a', 5, 20, { ready_at: at(1) }),
      [
        ['wait', 1, 5],
        ['execute', 5, 20],
      ],
    ],
    ['open until now', step('a', 5, null), [['execute', 5, 100]]],
    ['skipped', step('a', 5, 5, { status: 'skipped' }), []],
    ['asleep', step('a', 5, 50, { activity: 'sleep' }), [['rest', 5, 50]]],
    ['that began after the clock of this browser', step('a', 500, null), [['execute', 500, 500]]],
  ])('%s', (_, one, expected) => {
    expect(shown(one, noon + 100)).toEqual(expected)
  })

  it('shows the pause before the next try', () => {
    const attempts = [{ n: 1, started: at(0), ended: at(10), error_detail: null }]
    const wait = { for: 'retry' as const, until: at(80) }
    expect(shown(step('a', 0, null, { attempts, wait }), noon + 50)).toEqual([
      ['failed-try', 0, 10],
      ['wait', 10, 50],
    ])
  })

  it('shows each try and the pause before the next', () => {
    const attempts = [
      { n: 1, started: at(0), ended: at(10), error_detail: null },
      { n: 2, started: at(30), ended: at(40), error_detail: null },
      { n: 3, started: at(40), ended: null, error_detail: null },
    ]
    expect(shown(step('a', 0, 60, { attempt: 3, attempts }), noon)).toEqual([
      ['failed-try', 0, 10],
      ['wait', 10, 30],
      ['failed-try', 30, 40],
      ['execute', 40, 60],
    ])
  })
})
