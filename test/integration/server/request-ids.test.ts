import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../server.ts'

const lines: Record<string, unknown>[] = []
let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ onLog: (line) => lines.push(line) })
})
afterAll(() => jetty?.close())

const idOf = async (path: string, headers: Record<string, string> = {}, method = 'GET') => {
  const response = await fetch(jetty.url + path, { method, headers })
  await response.arrayBuffer()
  return response.headers.get('x-request-id') ?? ''
}

test.each([
  ['/health', 'GET'],
  ['/nothing/here', 'GET'],
  ['/api/v1/collections', 'GET'], // 401
  ['/v1/chat/completions', 'POST'], // answered on the socket
  ['/api/v1/tasks/acme', 'OPTIONS'],
])('%s has an id, another one each time, and the one that the client sent', async (path, method) => {
  const [first, second] = [await idOf(path, {}, method), await idOf(path, {}, method)]
  expect(first).toMatch(/^[0-9a-f]{12}-\d+$/)
  expect(second).not.toBe(first)
  expect(await idOf(path, { 'x-request-id': 'req_7f:3a/b' }, method)).toBe('req_7f:3a/b')
})

test.each(['', 'a b', '<script>', 'x'.repeat(129), 'é'])('%j from a client is not repeated', async (given) => {
  expect(await idOf('/health', { 'x-request-id': given })).toMatch(/^[0-9a-f]{12}-\d+$/)
})

test('a request that fails is in the log under its id', async () => {
  await jetty.server.database.query('alter table tasks rename to hidden')
  try {
    const headers = { authorization: `Bearer ${jetty.server.adminToken}`, 'x-request-id': 'find-me-in-the-log' }
    expect((await fetch(`${jetty.url}/api/v1/tasks/acme`, { headers })).status).toBe(500)
  } finally {
    await jetty.server.database.query('alter table hidden rename to tasks')
  }
  const found = lines.filter(({ request_id }) => request_id === 'find-me-in-the-log')
  expect(found).toContainEqual(expect.objectContaining({ level: 'error', msg: 'a request failed with a bug' }))
})
