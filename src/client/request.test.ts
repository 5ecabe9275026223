import { expect, it } from 'vitest'
import { sendRequest } from './request.ts'

const operation = { method: 'GET', path: '/api/v1/file/{path...}', answer: 'bytes' } as const

const targetOf = async (path: string): Promise<string> => {
  let target = ''
  const send: typeof fetch = async (url) => {
    target = String(url)
    return new Response()
  }
  await sendRequest('http://jetty', operation, { params: { path } }, {}, send)
  return target
}

it('encodes each segment of a path', async () => {
  expect(await targetOf('acme/a b?/..c/%2e%2e')).toBe('http://jetty/api/v1/file/acme/a%20b%3F/..c/%252e%252e')
})

it.each(['..', 'acme/../../keys', 'acme/./x'])('sends nothing for %s, which would be another call', async (path) => {
  await expect(targetOf(path)).rejects.toMatchObject({ code: 'invalid' })
})
