import { expect, it } from 'vitest'
import { AppError } from './errors.ts'
import { asExhausted, exhaustionRemedy } from './exhaustion.ts'

it.each([
  ['spawn bwrap EMFILE', 'ulimit -n'],
  ['sh: 1: Cannot fork', 'ulimit -u'],
  ['bwrap: Creating new namespace failed: Resource temporarily unavailable', 'ulimit -u'],
  ['spawn ENOMEM', 'memory'],
  ['bwrap: Creating new namespace failed: Operation not permitted', undefined],
  ["bwrap: Can't find source path /EMFILES: No such file or directory", undefined],
])('%s: %s', (said, remedy) => {
  expect(exhaustionRemedy(said)).toEqual(remedy === undefined ? undefined : expect.stringContaining(remedy))
})

it('an error of the system that is no want of anything, or that is told already, stays what it is', () => {
  const lack = Object.assign(new Error('EAGAIN: fork'), { code: 'EAGAIN' })
  expect(asExhausted(lack, 'No sandbox')).toMatchObject({
    ...{ code: 'sandbox_unavailable', message: 'No sandbox: EAGAIN: fork', cause: lack },
    hint: expect.stringContaining('JETTY_SANDBOXES'),
  })
  for (const error of [Object.assign(new Error(), { code: 'EACCES' }), new AppError('invalid', 'EMFILE'), 'EMFILE'])
    expect(asExhausted(error, '')).toBe(error)
})
