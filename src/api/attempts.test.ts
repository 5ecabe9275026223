import { expect, test } from 'vitest'
import { addressOf, makeAttempts } from './attempts.ts'

test('an address may fail as often as the limit in a minute from the first failure', () => {
  let now = 1_000_000
  const attempts = makeAttempts(3, () => now)
  const fail = (address: string) => attempts.failed(address)
  expect([1, 2, 3].map(() => fail('10.0.0.1'))).toEqual([0, 0, 0])
  now += 20_500
  expect(fail('10.0.0.1')).toBe(40)
  expect(fail('10.0.0.2')).toBe(0)
  now += 39_499
  expect(fail('10.0.0.1')).toBe(1)
  now += 1
  expect(fail('10.0.0.1')).toBe(0)
})

test('without a limit nothing is counted', () => {
  const attempts = makeAttempts(0)
  for (let i = 0; i < 1000; i++) expect(attempts.failed('10.0.0.1')).toBe(0)
  expect(attempts.size).toBe(0)
})

test('at most 10,000 addresses are kept, the oldest go first', () => {
  const attempts = makeAttempts(1)
  for (let i = 0; i < 10_000; i++) attempts.failed(`a${i}`)
  expect(attempts.failed('a0')).toBeGreaterThan(0)
  for (let i = 10_000; i < 25_000; i++) attempts.failed(`a${i}`)
  expect(attempts.size).toBe(10_000)
  expect(attempts.failed('a0')).toBe(0)
  expect(attempts.failed('a24999')).toBeGreaterThan(0)
})

test.each([
  ['10.1.2.3', '10.1.2.3'],
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8:1:2::6', '2001:db8:1:2'],
  ['2001:db8::6', '2001:db8:0:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  ['::1', '0:0:0:0'],
])('%s counts as %s', (remote, address) => {
  expect(addressOf(remote)).toBe(address)
})
