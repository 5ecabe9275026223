// The example for a thousand tickets with a thousand: `npm test` classifies fewer.
import { afterAll, beforeAll, test } from 'vitest'
import { classifyInTwoRuns, type ExampleSite, openExamples } from '../integration/steps/classify-tickets.ts'

let site: ExampleSite
beforeAll(async () => {
  site = await openExamples()
})
afterAll(() => site?.close())

test('1,000 tickets under a budget: it stops in time, and the rest is classified later, each ticket once', () =>
  classifyInTwoRuns(site, 1_000))
