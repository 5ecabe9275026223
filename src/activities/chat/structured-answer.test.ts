import { expect, it } from 'vitest'
import { makeTestContext, modelAnswer, runActivity } from '../../../test/activity-context.ts'
import { AppError } from '../../lib/errors.ts'
import { FailedWith } from '../activity.ts'
import { litellmChat } from './chat-activities.ts'

const busy = () => new AppError('upstream_failed', 'busy', { retryable: true, retryAfterSeconds: 0 })
const given = { model: 'm', prompt: 'p', output_schema: { type: 'object', required: ['a'] } }

/** Answers one call after the other, and counts them. */
const models = (said: (string | AppError)[]) => {
  const asked = { count: 0 }
  const chat = () => {
    const next = said[asked.count++]
    if (next === undefined || next instanceof AppError) throw next ?? new Error('one call too many')
    return modelAnswer(next)
  }
  return { asked, context: makeTestContext({ models: chat }) }
}

it('a correction that fails for now is asked for again, without paying for the first answer once more', async () => {
  const { asked, context } = models(['{}', busy(), '{"a":1}'])
  expect(await runActivity(litellmChat, given, context)).toMatchObject({ json: { a: 1 }, cost_usd: 0.002 })
  expect(asked.count).toBe(3)
})

it('one that fails for good fails the step, and the first answer is kept', async () => {
  const { asked, context } = models(['{"b":1}', busy(), busy(), busy()])
  const failed = await runActivity(litellmChat, given, context)
  expect(failed).toBeInstanceOf(FailedWith)
  expect(failed).toMatchObject({
    error: { code: 'upstream_failed', retryable: false, message: expect.stringMatching(/a is required.*: busy$/) },
    outputs: { text: '{"b":1}', json: null, cost_usd: 0.001 },
  })
  expect(asked.count).toBe(4)
})

it('a first call that fails is left to the retries of the step', async () => {
  const { asked, context } = models([busy()])
  await expect(runActivity(litellmChat, given, context)).rejects.toMatchObject({ retryable: true })
  expect(asked.count).toBe(1)
})
