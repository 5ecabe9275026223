import { expect, test } from 'vitest'
import { AppError, invalidField } from '../lib/errors.ts'
import { errorReply } from './errors.ts'

const bodyOf = (thrown: unknown, shape: 'detail' | 'error'): unknown =>
  JSON.parse(String(errorReply(thrown, shape).body))

const fault = invalidField(['body', 'items', 2], 'Field required', 'missing')

test.each([
  [new AppError('not_found', 'no', { hint: 'look' }), { detail: 'no', hint: 'look' }, { error: 'no', hint: 'look' }],
  [new AppError('conflict', 'no', { extra: { id: 7 } }), { detail: 'no', id: 7 }, { error: 'no', id: 7 }],
  [fault, { detail: fault.issues }, { error: 'body.items.2: Field required' }],
  [new Error('a secret'), { detail: 'Internal Server Error' }, { error: 'Internal Server Error' }],
])('%s in both shapes', (thrown, detail, error) => {
  expect(bodyOf(thrown, 'detail')).toEqual(detail)
  expect(bodyOf(thrown, 'error')).toEqual(error)
})
