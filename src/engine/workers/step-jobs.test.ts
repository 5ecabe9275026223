import { expect, it } from 'vitest'
import type { Queries } from '../../store/database/database.ts'
import type { JobStep } from '../steps/step-at-work.ts'
import { makeAskWorkers } from './step-jobs.ts'

/** A queue for two jobs, whose inserts and counts wait until the test lets them happen. */
const startQueue = () => {
  const jobs: string[] = []
  const inserts: (() => void)[] = []
  let counts = 0
  let isCountFailing = false
  const answers: Record<string, (values: unknown[]) => unknown[] | Promise<unknown[]>> = {
    find_step_job: () => [],
    find_offer: () => [],
    count_queued_jobs: () => {
      counts++
      if (isCountFailing) throw new Error('no connection')
      return [{ jobs: jobs.length }]
    },
    queue_job: async (values) => {
      await new Promise<void>((resolve) => inserts.push(resolve))
      jobs.push(String(values[1]))
      return [{ queued: true }]
    },
  }
  const rows = async (name: string, _text: string, values: unknown[] = []) => (await answers[name]?.(values)) ?? []
  const ask = makeAskWorkers({
    database: { rows, query: async () => [] } as Queries,
    sealer: { seal: (text) => text, open: (text) => text },
    limits: { queuedJobs: 2, jobParametersBytes: 1_000 },
    findOffered: async () => undefined,
    rules: { settingsOf: async () => ({}) as never },
    traceSampler: undefined,
  })
  const step = (run: string) =>
    ({
      run: { key: run, collectionId: 1 },
      place: { seq: 0, name: 'work', step: { options: {} } },
      side: { warnings: [] },
      attempt: 1,
    }) as unknown as JobStep
  return {
    jobs,
    counts: () => counts,
    failCounts: (isFailing: boolean): void => {
      isCountFailing = isFailing
    },
    /** Resolves with `queued`, or the message of the error. */
    start: (run: string): Promise<string> =>
      ask(step(run), { activity: 'a.b', parameters: {}, labels: [] }).then(
        () => 'queued',
        (error: Error) => error.message,
      ),
    /** Waits until so many inserts are on their way. */
    inserting: (most: number) => expect.poll(() => inserts.length).toBe(most),
    insert: () => inserts.shift()?.(),
  }
}

const full = expect.stringContaining('2 jobs in the queue')
/** Long enough for everything that does not wait for an insert. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 20))

it('holds the limit while admitted jobs are not inserted yet', async () => {
  const queue = startQueue()
  const first = [queue.start('1'), queue.start('2')]
  await queue.inserting(2)
  const third = queue.start('3')
  await settle()
  await queue.inserting(2)
  queue.insert()
  queue.insert()
  expect(await Promise.all(first)).toEqual(['queued', 'queued'])
  expect(await third).toEqual(full)
  expect(queue.jobs).toEqual(['1', '2'])
})

it('gives the place of a taken job to one of several steps', async () => {
  const queue = startQueue()
  const first = [queue.start('1'), queue.start('2')]
  await queue.inserting(2)
  queue.insert()
  queue.insert()
  await Promise.all(first)
  queue.jobs.shift()
  const next = ['3', '4', '5'].map(queue.start)
  await settle()
  await queue.inserting(1)
  queue.insert()
  expect(await Promise.all(next)).toEqual(['queued', full, full])
})

it('counts once for all steps that wait, and again after a count that failed', async () => {
  const queue = startQueue()
  queue.failCounts(true)
  expect(await queue.start('1')).toBe('no connection')
  queue.failCounts(false)
  const next = ['2', '3', '4', '5'].map(queue.start)
  await queue.inserting(2)
  queue.insert()
  queue.insert()
  expect(await Promise.all(next)).toEqual(['queued', 'queued', full, full])
  expect(queue.counts()).toBe(2)
})
