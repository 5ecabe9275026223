import { expect, it } from 'vitest'
import { poison } from './scenarios/poison.ts'

it.each([1, 2, 3])('a run that kills its process fails alone, with %i process(es)', async (processes) => {
  expect(await poison({ neighbours: 30, steps: 10, processes })).toEqual([])
})
