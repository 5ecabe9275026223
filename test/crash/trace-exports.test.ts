import { expect, it } from 'vitest'
import { traceExportKills } from './scenarios/trace-exports.ts'

it('exports every run over workers that are killed again and again', async () => {
  expect(await traceExportKills({ runs: 600, kills: 20 })).toEqual([])
})
