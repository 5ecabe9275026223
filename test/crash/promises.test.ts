import { expect, it } from 'vitest'
import { cancels } from './scenarios/cancels.ts'
import { idClashes } from './scenarios/id-clashes.ts'
import { parked } from './scenarios/parked.ts'
import { secrets } from './scenarios/secrets.ts'
import { sleepers } from './scenarios/sleepers.ts'
import { startTogether } from './scenarios/start-together.ts'

it('parked runs survive kills, asleep and when they wake', async () => {
  expect(await parked()).toEqual([])
})

it('runs that sleep in memory outlive a dozen deaths of the process, all at once and unsuspected', async () => {
  expect(await sleepers({ runs: 60, seconds: 25, kills: 12 })).toEqual([])
})

it('a cancel ends a run once, wherever it is, also in a race of 200 with completion', async () => {
  expect(await cancels({ racing: 200 })).toEqual([])
})

it('a clash of trajectory ids draws another and fails no run', async () => {
  expect(await idClashes({ runs: 400 })).toEqual([])
})

it('secrets of a run survive kill -9 and are gone at its end', async () => {
  expect(await secrets()).toEqual([])
})

it('three processes that start together on an empty database all come up', async () => {
  expect(await startTogether({ processes: 3 })).toEqual([])
})
