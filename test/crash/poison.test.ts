import { expect, it } from 'vitest'
import { poison } from './scenarios/poison.ts'
import { poisonFanOut } from './scenarios/poison-fan-out.ts'

it.each([1, 2, 3])('a run that kills its process fails alone, with %i process(es)', async (processes) => {
  expect(await poison({ neighbours: 30, steps: 10, processes })).toEqual([])
})

it('a run of a fan-out that kills its process fails alone, and the parent goes on', async () => {
  expect(await poisonFanOut({ children: 30 })).toEqual([])
})
