import { expect, test } from 'vitest'
import {
  modelCalls,
  noteModelUsage,
  noteProviderAnswer,
  noteProviderFailure,
  providerHealth,
} from './provider-health.ts'

const called = (name: string, model = 'm') => ({ provider: { name }, model })
const of = (name: string) => providerHealth().find((one) => one.name === name)

test('answers and failures are counted; a bad request is an answer', () => {
  for (const status of [200, 400, 404, 401, 503]) noteProviderAnswer(called('Acme AI'), status)
  noteProviderFailure(called('Acme AI'), 'No answer')
  expect(of('Acme AI')).toMatchObject({
    calls: 6,
    failures: 3,
    lastAnswerMs: expect.any(Number),
    lastFailure: { reason: 'No answer' },
  })
})

test('a model is counted by its name once it has answered', () => {
  noteProviderAnswer(called('Names', 'gpt-invented'), 404)
  noteProviderAnswer(called('Names', 'gpt-there'), 200)
  noteProviderAnswer(called('Names', 'gpt-there'), 429)
  noteModelUsage(called('Names', 'gpt-there'), 1_100, 0.002)
  noteModelUsage(called('Names', 'gpt-there'), null, null)
  expect(modelCalls().filter(({ provider }) => provider === 'Names')).toEqual([
    { provider: 'Names', model: 'other', calls: 1, failures: 0, tokens: 0, usd: 0 },
    { provider: 'Names', model: 'gpt-there', calls: 2, failures: 1, tokens: 1_100, usd: 0.002 },
  ])
})

test('there is a bound on providers; those that were called first go', () => {
  noteProviderAnswer(called('first'), 200)
  for (let at = 0; at < 300; at++) noteProviderAnswer(called(`custom ${at}`), 200)
  expect(providerHealth()).toHaveLength(200)
  expect(of('first')).toBeUndefined()
  expect(of('custom 299')).toMatchObject({ calls: 1, failures: 0 })
})
