import { expect, it } from 'vitest'
import { routineWeek } from './scenarios/routines.ts'

it('a week of a routine of every minute has 10,080 runs, over two workers with forty restarts', async () => {
  expect(await routineWeek({ hours: 7 * 24, restarts: 40, freezes: 5, setBack: 10 })).toEqual([])
})
