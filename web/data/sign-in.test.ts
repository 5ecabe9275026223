import { expect, test } from 'vitest'
import { pathAfter } from './sign-in.ts'

test.each([
  [undefined, '/'],
  ['', '/'],
  ['/acme/hello?status=failed', '/acme/hello?status=failed'],
  ['//evil.example', '/'],
  ['/\\evil.example', '/'],
  ['https://evil.example', '/'],
  ['javascript:alert(1)', '/'],
  ['/sign-in?next=/sign-in', '/'],
])('after a sign-in %j leads to %j', (next, path) => {
  expect(pathAfter(next)).toBe(path)
})
