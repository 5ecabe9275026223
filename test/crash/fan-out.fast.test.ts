// The crash tests of fan-outs with small numbers: the part of them that `npm test` has time for.
import { expect, it } from 'vitest'
import { fanOuts } from './scenarios/fan-outs.ts'
import { unwrittenFanOuts } from './scenarios/unwritten-fan-outs.ts'

const timeout = 300_000

it('a fan-out over a few kills loses no child, has none twice, and gathers them in order', { timeout }, async () => {
  expect(await fanOuts({ children: 300, kills: 3 })).toEqual([])
})

it('a process that dies with children in its memory loses none and has none twice', { timeout }, async () => {
  expect(await unwrittenFanOuts({ children: 600, kills: 3 })).toEqual([])
})
