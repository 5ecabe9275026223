import { expect, test } from 'vitest'
import { requireAllowedHost } from './hosts.ts'

const reaches = (url: string, ...allowed: string[]): boolean => {
  try {
    requireAllowedHost(new URL(url), allowed)
    return true
  } catch {
    return false
  }
}

test.each([
  ['https://api.example.com/v1', 'api.example.com'],
  ['https://API.example.com./v1', 'Api.Example.com'],
  ['https://api.example.com/v1', '*.example.com'],
  ['https://a.b.example.com/v1', '*.example.com'],
  ['https://api.example.com/v1', 'api.example.com:443'],
  ['http://api.example.com:8080/v1', '*.example.com:8080'],
  ['http://[::1]:8080/v1', '[::1]:8080'],
  ['http://[::1]:8080/v1', '[::1]'],
  ['http://127.0.0.1:8080/v1', '127.0.0.1'],
])('%s is reached where %s is listed', (url, entry) => {
  expect(reaches(url, 'other.example.org', entry)).toBe(true)
})

test.each([
  ['https://example.com/', '*.example.com'],
  ['https://api.example.com.evil.org/', 'api.example.com'],
  ['https://evilexample.com/', '*.example.com'],
  ['http://api.example.com/', 'api.example.com:443'],
  ['https://api.example.com:8443/', 'api.example.com:443'],
  ['http://[::1]:8081/', '[::1]:8080'],
])('%s is not reached where %s is listed', (url, entry) => {
  expect(reaches(url, entry)).toBe(false)
})

test('an empty list lets nothing through, none at all everything', () => {
  expect(reaches('https://example.com/')).toBe(false)
  expect(() => requireAllowedHost(new URL('https://example.com/'), undefined)).not.toThrow()
})
