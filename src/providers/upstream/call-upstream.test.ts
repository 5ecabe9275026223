import { expect, test } from 'vitest'
import { headersToClient, headersToProvider } from './call-upstream.ts'

const ofRoute = { 'anthropic-version': '2023-06-01', 'x-api-key': 'sk-real', authorization: 'Bearer sk-real' }
const ofAccount = {
  'idempotency-key': 'once',
  'openai-organization': 'org',
  'openai-project': 'p',
  'anthropic-organization-id': 'org',
}

test('a client overrides a default of the provider, and never a credential', () => {
  const fromClient = {
    'anthropic-version': '2099-01-01',
    'x-api-key': 'sk-client',
    authorization: 'Bearer sk-client',
    'x-goog-api-key': 'sk-client',
    'api-key': 'sk-client',
  }
  for (const account of ['own', 'shared'] as const) {
    expect(headersToProvider(fromClient, ofRoute, account)).toEqual({
      ...ofRoute,
      'anthropic-version': '2099-01-01',
      'accept-encoding': 'identity',
    })
  }
})

test('a shared account can neither be chosen nor be seen, in both directions', () => {
  expect(headersToProvider(ofAccount, {}, 'own')).toMatchObject(ofAccount)
  expect(headersToProvider({ ...ofAccount, 'openai-beta': 'x' }, {}, 'shared')).toEqual({
    'openai-beta': 'x',
    'accept-encoding': 'identity',
  })
  const answer = { ...ofAccount, 'openai-version': '1', 'x-request-id': 'r' }
  expect(headersToClient(answer, 'shared')).toEqual({ 'openai-version': '1', 'x-request-id': 'r' })
  expect(headersToClient(answer, 'own')).toMatchObject({ 'openai-organization': 'org' })
})

test.each(['cookie', 'x-forwarded-for', 'proxy-authorization', 'host', 'content-length', 'transfer-encoding'])(
  '%s passes in neither direction',
  (name) => {
    expect(headersToProvider({ [name]: '1' }, {}, 'own')).toEqual({ 'accept-encoding': 'identity' })
    expect(headersToClient({ [name]: '1' }, 'own')).toEqual({})
  },
)
