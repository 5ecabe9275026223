// A routine over two workers that come and go, with a short time: the part of it that `npm test` has time for.
import { expect, it } from 'vitest'
import { routineWeek } from './scenarios/routines.ts'

it('a routine of every minute has one run each, whoever dies and wherever the clock goes', {
  timeout: 300_000,
}, async () => {
  expect(await routineWeek({ hours: 4, restarts: 3, freezes: 0, setBack: 2 })).toEqual([])
})
