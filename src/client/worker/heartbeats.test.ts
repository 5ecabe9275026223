import { expect, it, vi } from 'vitest'
import { AppError } from '../../lib/errors.ts'
import type { JobHeartbeat } from '../../model/workers/worker-job.ts'
import { type JobLoss, startHeartbeats } from './heartbeats.ts'

const start = (answers: (() => { cancelled: boolean })[]) => {
  const sent: JobHeartbeat[] = []
  const losses: JobLoss[] = []
  const beats = startHeartbeats({
    epoch: 3,
    everyMs: 5,
    async send(body) {
      sent.push(body)
      return (answers.shift() ?? (() => ({ cancelled: false })))()
    },
    onLoss: (loss) => losses.push(loss),
  })
  return { sent, losses, beats }
}

const failing = (error: unknown) => () => {
  throw error
}

it('sends lines once, and again when no answer came', async () => {
  const { sent, losses, beats } = start([failing(new TypeError('fetch failed'))])
  beats.log('first')
  beats.progress(1.5, 'almost')
  await vi.waitUntil(() => sent.length >= 3)
  beats.stop()
  expect(sent[0]).toMatchObject({ epoch: 3, progress: 1, message: 'almost', logs: [{ message: 'first' }] })
  expect(sent[1]?.logs).toEqual([{ level: 'info', message: 'first' }])
  expect(sent[2]?.logs).toEqual([])
  expect(losses).toEqual([])
})

it.each<[string, () => { cancelled: boolean }, JobLoss]>([
  ['an answer that says so', () => ({ cancelled: true }), 'cancelled'],
  ['409', failing(new AppError('conflict', 'Another worker has it')), 'lost'],
  ['404', failing(new AppError('not_found', 'Worker not found')), 'lost'],
])('hears of a loss from %s', async (_name, answer, loss) => {
  const { losses, beats } = start([answer])
  await vi.waitUntil(() => losses.length > 0)
  beats.stop()
  expect(losses[0]).toBe(loss)
})

it('sends no NUL, and does not repeat lines that the server refuses', async () => {
  const { sent, losses, beats } = start([failing(new AppError('invalid', 'logs: not valid'))])
  beats.log('a\0b')
  beats.progress(0.5, 'c\0d')
  await vi.waitUntil(() => sent.length >= 2)
  beats.stop()
  expect(sent[0]).toMatchObject({ message: 'c\ufffdd', logs: [{ message: 'a\ufffdb' }] })
  expect(sent[1]?.logs).toEqual([])
  expect(losses).toEqual([])
})

it('keeps the last lines for the call that settles the job', () => {
  const { beats } = start([])
  for (let line = 0; line < 150; line++) beats.log(`line ${line}`, 'debug')
  beats.stop()
  const lines = beats.takeLines()
  expect([lines.length, lines.at(-1)]).toEqual([100, { level: 'debug', message: 'line 149' }])
})
