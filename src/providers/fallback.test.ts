import { expect, test } from 'vitest'
import { AppError, type ErrorCode } from '../lib/errors.ts'
import type { CallModel, ModelAnswer, ModelCaller } from '../model/gateway/chat.ts'
import { callWithFallback, mayFallBack } from './fallback.ts'

const failed = (code: ErrorCode, status?: number) =>
  new AppError(code, `failed with ${status ?? code}`, status ? { extra: { upstream_status: status } } : {})

test.each([
  ['model_unavailable', undefined],
  ['network_failed', undefined],
  ['timed_out', undefined],
  ['upstream_failed', 402],
  ['upstream_failed', 404],
  ['upstream_failed', 429],
  ['upstream_failed', 500],
  ['upstream_failed', 529],
] as const)('after %s %s another model may answer', (code, status) => {
  expect(mayFallBack(failed(code, status))).toBe(true)
})

test.each([
  ['upstream_failed', 400],
  ['upstream_failed', 401],
  ['upstream_failed', 403],
  ['upstream_failed', 422],
  ['upstream_failed', undefined],
  ['budget_exceeded', undefined],
  ['price_unknown', undefined],
  ['address_refused', undefined],
  ['cancelled', undefined],
  ['parameter_invalid', undefined],
] as const)('after %s %s none may', (code, status) => {
  expect(mayFallBack(failed(code, status))).toBe(false)
})

const answer = (model: string): ModelAnswer => ({
  completion: { choices: [{ message: { content: 'hi' } }] },
  text: 'hi',
  provider: 'openai',
  model,
  usage: null,
  cost_usd: null,
})
const asking = (failures: Record<string, AppError>, seconds = 60) => {
  const asked: unknown[] = []
  const call: CallModel = async ({ model }, _caller, options) => {
    asked.push(options ? [model, options] : model)
    const failure = failures[model]
    if (failure) throw failure
    return answer(model)
  }
  const told: unknown[] = []
  const caller: ModelCaller = {
    env: () => undefined,
    signal: new AbortController().signal,
    fallbackModels: ['b', 'c'],
    onFallback: (attempt) => told.push(attempt),
  }
  const messages = [{ role: 'user', content: 'hello' }]
  const ask = () => callWithFallback(call, seconds)({ model: 'a', messages }, caller, { key: 'sk-1' })
  return { asked, told, ask, caller }
}

test('the first that answers is the answer, and nobody after it is asked', async () => {
  const { asked, told, ask } = asking({ a: failed('upstream_failed', 503) })
  expect((await ask()).model).toBe('b')
  expect(asked).toEqual([['a', { key: 'sk-1' }], 'b']) // the key that came with the call is for the first one alone
  expect(told).toEqual([{ model: 'a', code: 'upstream_failed', message: 'failed with 503' }])
})

test('where all fail, the last failure is told', async () => {
  const { asked, ask } = asking({
    a: failed('timed_out'),
    b: failed('network_failed'),
    c: failed('upstream_failed', 500),
  })
  await expect(ask()).rejects.toThrow('failed with 500')
  expect(asked.length).toBe(3)
})

test('a request that is at fault is not sent to another', async () => {
  const { asked, ask } = asking({ a: failed('upstream_failed', 400) })
  await expect(ask()).rejects.toThrow('failed with 400')
  expect(asked.length).toBe(1)
})

test('once the time is over no other model is begun', async () => {
  const { asked, ask } = asking({ a: failed('timed_out') }, 0)
  await expect(ask()).rejects.toThrow('failed with timed_out')
  expect(asked.length).toBe(1)
})
