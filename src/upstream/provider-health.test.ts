import { expect, test } from 'vitest'
import { noteProviderAnswer, noteProviderFailure, providerHealth } from './provider-health.ts'

const of = (name: string) => providerHealth().find((one) => one.name === name)

test('answers and failures are counted; a bad request is an answer', () => {
  for (const status of [200, 400, 404, 401, 503]) noteProviderAnswer('Acme AI', status)
  noteProviderFailure('Acme AI', 'No answer')
  expect(of('Acme AI')).toMatchObject({
    calls: 6,
    failures: 3,
    lastAnswerMs: expect.any(Number),
    lastFailure: { reason: 'No answer' },
  })
})

test('there is a bound on providers; those that were called first go', () => {
  noteProviderAnswer('first', 200)
  for (let at = 0; at < 300; at++) noteProviderAnswer(`custom ${at}`, 200)
  expect(providerHealth()).toHaveLength(200)
  expect(of('first')).toBeUndefined()
  expect(of('custom 299')).toMatchObject({ calls: 1, failures: 0 })
})
