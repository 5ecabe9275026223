import { expect, test } from 'vitest'
import { acceptsGzip } from './reply.ts'

test.each<[string | undefined, boolean]>([
  ['gzip', true],
  ['gzip, deflate, br, zstd', true],
  ['br;q=1.0, GZIP;q=0.8', true],
  ['*', true],
  ['*;q=0.1', true],
  ['gzip;q=1, *;q=0', true],
  ['gzip;q=0', false],
  ['gzip; q=0.000', false],
  ['gzip;q=0, *', false],
  ['*;q=0', false],
  ['br, deflate', false],
  ['x-gzip', false],
  ['', false],
  [undefined, false],
])('%s', (header, accepted) => {
  expect(acceptsGzip({ 'accept-encoding': header })).toBe(accepted)
})
