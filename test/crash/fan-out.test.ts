import { expect, it } from 'vitest'
import { fanOutWorkers } from './scenarios/fan-out-workers.ts'
import { fanOuts } from './scenarios/fan-outs.ts'
import { unwrittenFanOuts } from './scenarios/unwritten-fan-outs.ts'

it('a fan-out over ten kills loses no child, has none twice, and gathers them in order', async () => {
  expect(await fanOuts({ children: 2_000, kills: 10 })).toEqual([])
})

it('two more workers take their share of the children, and when two of three die all complete', async () => {
  expect(await fanOutWorkers({ children: 3_000 })).toEqual([])
})

it('processes that die with children in their memory lose none and have none twice', async () => {
  expect(await unwrittenFanOuts({ children: 4_000, kills: 12 })).toEqual([])
})

it('children in memory whose trajectory ids are taken get others', async () => {
  expect(await unwrittenFanOuts({ children: 500, kills: 3, ids: 5_000 })).toEqual([])
})
