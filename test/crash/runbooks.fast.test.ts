// The crash tests of runbooks with small numbers: the part of them that `npm test` has time for.
import { expect, it } from 'vitest'
import { runbookKills } from './scenarios/runbook-kills.ts'

it('a runbook whose server is killed while its agent works completes after the next start, in a fresh sandbox', {
  timeout: 300_000,
}, async () => {
  expect(await runbookKills(['working'])).toEqual([])
})
