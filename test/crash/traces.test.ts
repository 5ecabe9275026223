import { expect, it } from 'vitest'
import { traces } from './scenarios/traces.ts'

it('100,000 spans, shuffled and sent twice over three kills, are recorded once each', async () => {
  expect(await traces({ spans: 100_000, spansOfTrace: 50, kills: 3 })).toEqual([])
})
