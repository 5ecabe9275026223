import { describe, expect, it } from 'vitest'
import { noLossyDisk } from './harness/lossy-disk.ts'
import { fullDisk } from './scenarios/full-disk.ts'

const why = noLossyDisk()

describe.skipIf(why)(`a full disk${why ? ` (skipped: ${why})` : ''}`, () => {
  it.each(['everything', 'postgres', 'tables'] as const)('under %s is an outage, which fails no run', async (what) => {
    expect(await fullDisk({ what, rounds: 3, runs: 40 })).toEqual([])
  })
})
