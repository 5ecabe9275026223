import { expect, it } from 'vitest'
import { memoryStorm } from './scenarios/memory-storm.ts'

/**
 * CRASH_STORM_SECONDS=600 is the long attack. CRASH_STORM_HEAP=0 leaves the heap limit to Node. CRASH_STORM_WORKERS=3
 * attacks three workers on one Postgres.
 */
const seconds = Number(process.env.CRASH_STORM_SECONDS ?? 75)
const heapMiB = Number(process.env.CRASH_STORM_HEAP ?? 2048) || undefined
const workers = Number(process.env.CRASH_STORM_WORKERS ?? 0)

it('lets no tenant take the memory of all others: 40 runs of 60 MB, 60 bodies of 15 MB, one kill', {
  timeout: (seconds + 300) * 1000,
}, async () => {
  expect(await memoryStorm({ seconds, workers, heapMiB, runs: 40, bodies: 60 })).toEqual([])
})
