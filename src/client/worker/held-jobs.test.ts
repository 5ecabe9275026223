import { expect, it } from 'vitest'
import type { WorkerJob } from '../../model/workers/worker-job.ts'
import { makeHeldJobs } from './held-jobs.ts'

const job = (job_id: string, epoch = 1) => ({ job_id, epoch }) as WorkerJob

it('begins a job once, and has room again when one has ended', async () => {
  const ends = new Map<string, () => void>()
  const begun: string[] = []
  const held = makeHeldJobs(2, ({ job_id, epoch }) => {
    begun.push(`${job_id} ${epoch}`)
    return new Promise((resolve) => ends.set(job_id, resolve))
  })
  const { signal } = new AbortController()
  expect(await held.room(signal)).toBe(2)
  for (const one of [job('a'), job('a'), job('b')]) held.begin(one)
  expect([begun, held.ids()]).toEqual([
    ['a 1', 'b 1'],
    ['a', 'b'],
  ])
  const room = held.room(signal)
  ends.get('a')?.()
  expect(await room).toBe(1)
  held.begin(job('a', 2)) // given again after its lease had ended
  expect(begun).toEqual(['a 1', 'b 1', 'a 2'])
  const stopping = new AbortController()
  const none = held.room(stopping.signal)
  stopping.abort()
  expect(await none).toBe(0)
  for (const end of ends.values()) end()
  await held.ended()
  expect(held.ids()).toEqual([])
})
