import { describe, expect, it } from 'vitest'
import { type ChildRun, FailedWith, WaitForRuns } from '../../activities/activity.ts'
import { fanOutOutcome } from './fan-out.ts'

const child = (index: number, status: ChildRun['status'], error: string | null = null): ChildRun => ({
  trajectory_id: `id${index}`,
  name: 'acme/t',
  status,
  index,
  error,
})

const place = { name: 'fan', started: new Date() } as Parameters<typeof fanOutOutcome>[0]

const outcome = (ended: ChildRun[], over: Parameters<typeof fanOutOutcome>[3], continueOnError = false) => {
  const wanted = {
    task: 't',
    count: ended.length,
    initParams: () => ({}),
    maxConcurrency: 1,
    sharesConcurrency: false,
    continueOnError,
    until: null,
    labels: {},
  }
  return fanOutOutcome(place, new WaitForRuns(wanted, (runs) => ({ seen: runs.length })), ended, over)
}

const failureOf = async (ended: ChildRun[], over: Parameters<typeof fanOutOutcome>[3]): Promise<FailedWith> => {
  const found = await outcome(ended, over)
  if (found instanceof FailedWith) return found
  throw new Error('it did not fail')
}

describe('fanOutOutcome', () => {
  it('names five failed runs, and counts the others', async () => {
    const ended = Array.from({ length: 8 }, (_, index) =>
      index === 1 ? child(index, 'completed') : child(index, 'failed', `no ${index}`),
    )
    const { error, outputs } = await failureOf(ended, 'failed')
    expect(error.message).toBe(
      '7 of 8 runs failed; first: acme/t id0 (item 0): no 0; acme/t id2 (item 2): no 2; acme/t id3 (item 3): no 3; ' +
        'acme/t id4 (item 4): no 4; acme/t id5 (item 5): no 5; and 2 more',
    )
    expect(outputs).toEqual({ seen: 8 })
  })

  it('shortens the errors of all but the first', async () => {
    const long = 'x'.repeat(1_000)
    const { error } = await failureOf([child(0, 'failed', long), child(1, 'failed', long)], 'failed')
    expect(error.message).toBe(
      `2 of 2 runs failed; first: acme/t id0 (item 0): ${long}; acme/t id1 (item 1): ${'x'.repeat(300)}…`,
    )
  })

  it('names a run that was cancelled where none failed', async () => {
    const { error } = await failureOf([child(0, 'completed'), child(1, 'cancelled')], 'ended')
    expect(error.message).toBe('A run of 2 did not complete; first: acme/t id1 (item 1): it is cancelled')
  })

  it('keeps the outputs where the time was over', async () => {
    const { error, outputs } = await failureOf([child(0, 'completed'), child(1, 'cancelled')], 'timed_out')
    expect(error.message).toMatch(/^Step 'fan' timed out after \d+ s: 1 of 2 runs had completed$/)
    expect(outputs).toEqual({ seen: 2 })
  })

  it('gives the outputs alone where failures are allowed, or where there are none', async () => {
    expect(await outcome([child(0, 'failed', 'no')], 'ended', true)).toEqual({ seen: 1 })
    expect(await outcome([child(0, 'completed')], 'ended')).toEqual({ seen: 1 })
  })
})
