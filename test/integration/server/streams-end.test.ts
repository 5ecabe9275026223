// A stream ends with the key or session that opened it, on every process that shares the database.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const longestMs = 1_000

let jetty: TestServer
let other: TestServer
let provider: Server
let run: { task: string; id: string }

beforeAll(async () => {
  provider = createServer((_, answer) => {
    answer.writeHead(200, { 'content-type': 'text/event-stream' })
    answer.write('data: {"choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n')
  }).listen(0, '127.0.0.1')
  const env = { JETTY_ALLOW_PRIVATE_NETWORK: '127.0.0.1' }
  jetty = await startTestServer({ env })
  other = await startTestServer({ env, beside: jetty })
  const environment_variables = {
    OPENAI_API_KEY: 'sk-unmistakable-streams-end-1',
    OPENAI_BASE_URL: `http://127.0.0.1:${(provider.address() as AddressInfo).port}/v1`,
  }
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
  const task = await jetty.task({
    init_params: {},
    step_configs: { wait: { activity: 'wait_for_event', key: 'never', timeout_sec: 600 } },
    steps: ['wait'],
  })
  run = { task, id: (await jetty.start(task)).trajectory_id }
}, 240_000)
afterAll(async () => {
  provider?.closeAllConnections()
  provider?.close()
  await other?.close()
  await jetty?.close()
})

let made = 0
const makeKey = async (): Promise<{ id: number; token: string }> => {
  const { body } = await jetty.call('POST', '/api/v1/api-keys', { name: `streams ${++made}`, collection_name: 'acme' })
  return { id: body.id, token: body.api_key }
}

/** Opens a stream, and reads it to its end. */
const open = async (url: string, headers: Record<string, string>, body?: Body) => {
  const answer = await fetch(url, {
    headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
  })
  expect(answer.status).toBe(200)
  const opened = { text: '', endedMs: 0 }
  const read = async () => {
    const decoder = new TextDecoder()
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) opened.text += decoder.decode(chunk)
  }
  const ended = read()
    .catch(() => {}) // it may be cut
    .finally(() => {
      opened.endedMs = performance.now()
    })
  await expect.poll(() => opened.text.length, { timeout: 10_000 }).toBeGreaterThan(0)
  return Object.assign(opened, { ended })
}
const openAll = async (headers: Record<string, string>) =>
  Promise.all(
    [jetty, other].flatMap(({ url }) => [
      open(`${url}/api/v1/trajectory/acme/${run.task}/${run.id}/events`, headers),
      open(`${url}/api/v1/collections/acme/events`, headers),
    ]),
  )
const endedSoon = async (opened: { endedMs: number; ended: Promise<unknown> }[], end: () => Promise<unknown>) => {
  await pause(200)
  expect(opened.map(({ endedMs }) => endedMs)).toEqual(opened.map(() => 0))
  await end()
  const atMs = performance.now()
  const late = pause(10_000).then(() => 'late')
  const all = Promise.all(opened.map(({ ended }) => ended))
  expect(await Promise.race([all.then(() => 'ended'), late])).toBe('ended')
  for (const { endedMs } of opened) expect(endedMs - atMs).toBeLessThan(longestMs)
}

it.each<[string, (id: number) => Promise<unknown>]>([
  ['is revoked', (id) => jetty.call('DELETE', `/api/v1/api-keys/${id}`)],
  ['is switched off', (id) => jetty.call('PUT', `/api/v1/api-keys/${id}`, { is_active: false })],
])('streams of a key end when it %s', async (_, change) => {
  const { id, token } = await makeKey()
  const headers = { authorization: `Bearer ${token}` }
  await endedSoon(await openAll(headers), () => change(id))
})

it('streams of a key end when it expires', async () => {
  const { id, token } = await makeKey()
  const headers = { authorization: `Bearer ${token}` }
  const endsAt = Date.now() + 2_000
  await jetty.server.database.query('update api_keys set expires_at = $2 where id = $1', [id, new Date(endsAt)])
  await endedSoon(await openAll(headers), () => pause(endsAt - Date.now()))
})

it('streams of a session end when it signs out', async () => {
  const { token } = await makeKey()
  const signedIn = await fetch(`${jetty.url}/api/v1/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token }),
  })
  const half = /=(jsc_[^;]+)/.exec(signedIn.headers.get('set-cookie') ?? '')?.[1]
  const cookie = [jetty, other].map(({ url }) => `jetty_session_${new URL(url).port}=${half}`).join('; ')
  const headers = { cookie, 'x-jetty-session': ((await signedIn.json()) as Body).session }
  const leave = () => fetch(`${jetty.url}/api/v1/session`, { method: 'DELETE', headers })
  await endedSoon(await openAll(headers), leave)
})

it('a chat of a key that is revoked says why it ends', async () => {
  const { id, token } = await makeKey()
  const asked = { model: 'gpt-4o-mini', stream: true, messages: [{ role: 'user', content: 'hello' }] }
  const headers = { authorization: `Bearer ${token}` }
  const chats = await Promise.all([jetty, other].map(({ url }) => open(`${url}/v1/chat/completions`, headers, asked)))
  await endedSoon(chats, () => jetty.call('DELETE', `/api/v1/api-keys/${id}`))
  for (const { text } of chats) expect(text).toContain('The key was revoked')
})

it('streams of a key go on while tasks and other keys change', async () => {
  const [mine, theirs] = [await makeKey(), await makeKey()]
  const [stream] = await openAll({ authorization: `Bearer ${mine.token}` })
  await jetty.call('DELETE', `/api/v1/api-keys/${theirs.id}`)
  await jetty.task({ init_params: {}, step_configs: { a: { activity: 'text_echo', text: 'x' } }, steps: ['a'] })
  await pause(longestMs)
  expect(stream?.endedMs).toBe(0)
})
