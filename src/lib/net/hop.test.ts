import { expect, test } from 'vitest'
import { firstHop, redirected } from './hop.ts'

const sent = () =>
  firstHop('https://example.com/a', {
    method: 'POST',
    body: Buffer.from('{"password":"x"}'),
    headers: { authorization: 'Bearer x', 'content-type': 'application/json' },
  })

test.each([307, 308])('%i from https to http of the same host sends the body nowhere', (status) => {
  expect(() => redirected(sent(), status, 'http://example.com/a')).toThrow(
    'https://example.com/a redirects to another origin, http://example.com, which would get the body of the request',
  )
  const hop = redirected(sent(), status, 'http://example.com/a', { withoutBody: true })
  expect(hop).toMatchObject({ method: 'POST', body: undefined })
  expect(Object.keys(hop?.headers ?? {})).not.toContain('authorization')
  expect(Object.keys(hop?.headers ?? {})).not.toContain('content-type')
  expect(redirected(sent(), status, '/b')).toMatchObject({ method: 'POST', body: sent().body })
})
