import { expect, test } from 'vitest'
import { durationText, secondsIn } from './duration.ts'

test.each([
  [null, '–'],
  [undefined, '–'],
  [Number.NaN, '–'],
  [0, '0 ms'],
  [-0.2, '0 ms'],
  [0.0312, '31 ms'],
  [0.9994, '999 ms'],
  [0.9996, '1.00 s'],
  [2.1, '2.10 s'],
  [9.994, '9.99 s'],
  [9.996, '10.0 s'],
  [12.14, '12.1 s'],
  [59.94, '59.9 s'],
  [59.96, '1 min'],
  [60, '1 min'],
  [200, '3 min 20 s'],
  [3599.6, '1 h'],
  [3600, '1 h'],
  [7500, '2 h 5 min'],
  [86_400, '1 d'],
  [356_400, '4 d 3 h'],
])('%s seconds are %s', (seconds, text) => {
  expect(durationText(seconds)).toBe(text)
})

test.each([
  ['90', 90],
  ['1.5 s', 1.5],
  ['250ms', 0.25],
  ['5m', 300],
  ['20 min', 1200],
  ['2h', 7200],
  ['', undefined],
  ['-1', undefined],
  ['soon', undefined],
])('%s are %s seconds', (text, seconds) => {
  expect(secondsIn(text)).toBe(seconds)
})
