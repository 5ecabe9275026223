import { expect, it } from 'vitest'
import { hookKills } from './scenarios/hooks.ts'

it('starts one run for each of 1,000 deliveries over servers that are killed again and again', async () => {
  expect(await hookKills({ deliveries: 1_000, kills: 20 })).toEqual([])
})
