// The crash tests of fan-outs with small numbers: the part of them that `npm test` has time for.
import { expect, it } from 'vitest'
import { fanOutFrozen } from './scenarios/fan-out-frozen.ts'
import { fanOutWorkers } from './scenarios/fan-out-workers.ts'
import { fanOuts } from './scenarios/fan-outs.ts'

const timeout = 90_000

it('a fan-out over a few kills loses no child, has none twice, and gathers them in order', { timeout }, async () => {
  expect(await fanOuts({ children: 400, kills: 4 })).toEqual([])
})

it('two more workers take their share of the children, and when two of three die all complete', {
  timeout,
}, async () => {
  expect(await fanOutWorkers({ children: 1_500 })).toEqual([])
})

it('a frozen worker that thaws begins none of the children that others have by now', { timeout }, async () => {
  expect(await fanOutFrozen({ children: 300 })).toEqual([])
})
