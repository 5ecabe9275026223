// The export of traces and killed workers with small numbers: the part that `npm test` has time for.
import { expect, it } from 'vitest'
import { traceExportKills } from './scenarios/trace-exports.ts'

it('exports every run over killed workers, always with the same ids', { timeout: 300_000 }, async () => {
  expect(await traceExportKills({ runs: 60, kills: 2 })).toEqual([])
})
