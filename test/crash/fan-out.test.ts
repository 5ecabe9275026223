import { expect, it } from 'vitest'
import { fanOutWorkers } from './scenarios/fan-out-workers.ts'
import { fanOuts } from './scenarios/fan-outs.ts'

it('a fan-out over ten kills loses no child, has none twice, and gathers them in order', async () => {
  expect(await fanOuts({ children: 2_000, kills: 10 })).toEqual([])
})

it('two more workers take their share of the children, and when two of three die all complete', async () => {
  expect(await fanOutWorkers({ children: 3_000 })).toEqual([])
})
