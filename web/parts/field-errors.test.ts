import { expect, test } from 'vitest'
import { AppError } from '../../src/lib/errors.ts'
import { fieldErrors } from './field-errors.ts'

const refused = (...locs: string[][]) =>
  new AppError('invalid', 'no', { issues: locs.map((loc) => ({ loc, msg: `${loc.join('.')} is wrong`, type: 'x' })) })

test('each issue stands at its field, the first one of several', () => {
  const error = refused(['body', 'budget', 'usd_per_day'], ['body', 'budget', 'usd_per_day', '0'])
  expect(fieldErrors(error, ['usd_per_day', 'name'])).toEqual({
    at: { usd_per_day: 'body.budget.usd_per_day is wrong' },
    rest: undefined,
  })
})

test('what names no field is left', () => {
  const error = refused(['body', 'other'])
  expect(fieldErrors(error, ['name'])).toEqual({ at: {}, rest: error })
})

test('an error without issues is left as it is; no error is nothing', () => {
  const error = new AppError('forbidden', 'no')
  expect(fieldErrors(error, ['name'])).toEqual({ at: {}, rest: error })
  expect(fieldErrors(null, ['name'])).toEqual({ at: {}, rest: undefined })
})
