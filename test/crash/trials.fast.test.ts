import { expect, it } from 'vitest'
import { trials } from './scenarios/trials.ts'

it('a trial is exact over a kill -9 while its runs start, and each run keeps its key', {
  timeout: 300_000,
}, async () => {
  expect(await trials({ killAfterMs: 30 })).toEqual([])
})
