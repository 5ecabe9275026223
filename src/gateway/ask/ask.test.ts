import { expect, test } from 'vitest'
import { AppError } from '../../lib/errors.ts'
import type { FailedAttempt } from '../../model/gateway/chat.ts'
import type { UpstreamAnswer } from '../../providers/upstream/answer.ts'
import { askWithFallbacks } from './ask.ts'

const whole = (text: string): UpstreamAnswer => ({
  kind: 'whole',
  status: 200,
  headers: {},
  firstByteMs: 1,
  bytes: Buffer.from(text),
})
const refused = (status: number): UpstreamAnswer => ({
  kind: 'refused',
  status,
  headers: {},
  firstByteMs: 1,
  bytes: Buffer.from('{}'),
  error: new AppError('upstream_failed', `answered ${status}`, { extra: { upstream_status: status } }),
})
const asking = async (answers: Record<string, UpstreamAnswer | AppError>, seconds = 60) => {
  const told: FailedAttempt[] = []
  const given = await askWithFallbacks(
    ['a', 'b', 'c'],
    async (model) => {
      const answer = answers[model]
      if (answer instanceof AppError || !answer) throw answer
      return answer
    },
    { seconds, onFallback: (failed) => told.push(failed) },
  )
  return { given, asked: told.map(({ model }) => model) }
}

test('a refusal of the kind that another model may not meet is followed by it', async () => {
  const { given, asked } = await asking({ a: refused(429), b: new AppError('timed_out', 'too slow'), c: whole('hi') })
  expect(given).toEqual(whole('hi'))
  expect(asked).toEqual(['a', 'b'])
})

test('a refusal of the request is the answer', async () => {
  const { given, asked } = await asking({ a: refused(400) })
  expect([given.status, asked]).toEqual([400, []])
})

test('where all refuse, the last refusal is given as it came; once the time is over, the first one', async () => {
  const answers = { a: refused(503), b: refused(429), c: refused(500) }
  expect((await asking(answers)).given.status).toBe(500)
  expect((await asking(answers, 0)).given.status).toBe(503)
})

test('where the last one fails without an answer, its failure is thrown', async () => {
  const failure = new AppError('network_failed', 'gone')
  await expect(asking({ a: refused(503), b: refused(503), c: failure })).rejects.toBe(failure)
})
