// The stream of a chat that asks for a runbook: what it says when, how it goes on after a break, and how it ends.
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import type { RunbookHost } from '../../src/model/runbook-run.ts'
import { makeFakeRunbooks } from '../fakes/runbooks.ts'
import { type Body, startTestServer, type TestServer } from '../server.ts'

const runbooks = makeFakeRunbooks()
let jetty: TestServer | undefined
const server = async (): Promise<TestServer> => {
  jetty ??= await startTestServer({ runbooks, env: { JETTY_DRAIN_SECONDS: '1' } })
  return jetty
}
afterAll(() => jetty?.close())
beforeEach(() => {
  runbooks.work = async () => ({})
})
const opened: AbortController[] = []
afterEach(() => {
  for (const one of opened.splice(0)) one.abort()
})

interface Chunk {
  id: string | undefined
  data: Body
}

/** The chunks of a stream as they come; a comment is the text `ping`. */
const streamOf = async (
  task: string,
  options: { headers?: Record<string, string>; more?: Body; url?: string } = {},
) => {
  const { url, server: at } = await server()
  const gone = new AbortController()
  opened.push(gone)
  const response = await fetch(`${options.url ?? url}/v1/chat/completions`, {
    method: 'POST',
    signal: gone.signal,
    headers: {
      authorization: `Bearer ${at.adminToken}`,
      'content-type': 'application/json',
      ...options.headers,
    },
    body: JSON.stringify({
      model: 'scripted',
      messages: [{ role: 'system', content: '# Wait\n\nUntil it is said.\n' }],
      stream: true,
      jetty: { collection: 'acme', task },
      ...options.more,
    }),
  })
  const { headers, status } = response
  const chunks = async function* (): AsyncGenerator<Chunk> {
    let text = ''
    const decoder = new TextDecoder()
    for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(part, { stream: true })
      const blocks = text.split('\n\n')
      text = blocks.pop() ?? ''
      for (const block of blocks) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1]
        const data = field('data')
        if (data !== undefined) yield { id: field('id'), data: data === '[DONE]' ? data : JSON.parse(data) }
      }
    }
  }
  return { chunks: chunks(), headers, status, leave: () => gone.abort() }
}

const all = async (chunks: AsyncIterable<Chunk>): Promise<Chunk[]> => {
  const read: Chunk[] = []
  for await (const chunk of chunks) read.push(chunk)
  return read
}
const contentOf = (chunks: Chunk[]): string => chunks.map(({ data }) => data.choices?.[0]?.delta.content ?? '').join('')

/** A runbook that waits for the test between what it tells. */
const steered = () => {
  let host: RunbookHost | undefined
  let begin = () => {}
  let end = () => {}
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  runbooks.work = async (_, given) => {
    host = given
    begin()
    await ended
    return { text: 'Good bye.' }
  }
  return { begun, end, tell: (text: string) => host?.tell({ type: 'message', role: 'assistant', text }) }
}

test('ids come first, then what the agent does, in words and as events, last the status', async () => {
  const work = steered()
  const { chunks, headers, status } = await streamOf('told', { more: { stream_options: { include_usage: true } } })
  expect([status, headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8'])
  const first = (await chunks.next()).value as Chunk
  const id = headers.get('x-jetty-trajectory-id')
  expect(first.data).toMatchObject({
    id: `chatcmpl-${id}`,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }],
    usage: null,
    trajectory_id: id,
    jetty_metadata: { mode: 'runbook', status: 'running', trajectory_id: id, collection: 'acme', task: 'told' },
  })
  await work.begun // the ids came before anything had ended
  work.tell('I begin.')
  work.tell('Good bye.')
  work.end()
  const rest = await all(chunks)
  const text = contentOf(rest)
  expect(text).toContain("Step 'run' (runbook) has begun\n")
  expect(text).toContain('I begin.\n')
  expect(text.match(/Good bye\./g)).toHaveLength(1)
  const events = rest.map(({ data }) => data.jetty_event).filter(Boolean)
  expect(events).toContainEqual(expect.objectContaining({ type: 'agent_message', text: 'I begin.', step: 'run' }))
  expect(events).toContainEqual(expect.objectContaining({ type: 'step', key: 'run', status: 'completed' }))
  const [stop, usage, done] = rest.slice(-3)
  expect(stop?.data).toMatchObject({
    choices: [{ delta: {}, finish_reason: 'stop' }],
    jetty_metadata: { status: 'completed', trajectory_id: id },
    jetty_event: { type: 'end', status: 'completed', error: null },
  })
  expect(usage?.data).toMatchObject({ choices: [], usage: { prompt_tokens: 100, completion_tokens: 20 } })
  expect(done?.data).toBe('[DONE]')
})

test('a failure is told once, in words and as the status', async () => {
  runbooks.work = async () => ({ failure: { reason: 'no_results', message: 'Nothing was written' } })
  const read = await all((await streamOf('failing')).chunks)
  expect(contentOf(read).match(/Nothing was written/g)).toHaveLength(1)
  expect(read.at(-2)?.data).toMatchObject({
    choices: [{ finish_reason: 'stop' }],
    jetty_metadata: { status: 'failed' },
    jetty_event: { type: 'end', status: 'failed', error: expect.stringContaining('Nothing was written') },
  })
})

test('a stream that broke off goes on after the last event that was seen, by the same request', async () => {
  const work = steered()
  const key = { 'idempotency-key': 'once' }
  const first = await streamOf('broken', { headers: key })
  await work.begun
  work.tell('One.')
  let last: string | undefined
  for await (const { id, data } of first.chunks) {
    last = id ?? last
    if (data.jetty_event?.text === 'One.') break
  }
  first.leave()
  work.tell('Two.')
  const again = await streamOf('broken', { headers: { ...key, 'last-event-id': last ?? '' } })
  expect(again.headers.get('x-jetty-trajectory-id')).toBe(first.headers.get('x-jetty-trajectory-id'))
  work.end()
  const text = contentOf(await all(again.chunks))
  expect(text).toContain('Two.')
  expect(text).not.toContain('One.')
  expect(text).not.toContain('has begun')
})

test('the ids are those of the events of the run', async () => {
  const work = steered()
  const { chunks, headers } = await streamOf('same-ids')
  await work.begun
  work.tell('Here.')
  work.end()
  const at = (await all(chunks)).find(({ data }) => data.jetty_event?.text === 'Here.')?.id
  const { url, server: served } = await server()
  const response = await fetch(
    `${url}/api/v1/trajectory/acme/same-ids/${headers.get('x-jetty-trajectory-id')}/events`,
    {
      headers: { authorization: `Bearer ${served.adminToken}`, 'last-event-id': String(Number(at) - 1) },
    },
  )
  expect(await response.text()).toContain(`id: ${at}\nevent: log\n`)
})

test('Last-Event-ID alone would start another run, and is refused', async () => {
  const { status } = await streamOf('alone', { headers: { 'last-event-id': '7' } })
  expect(status).toBe(422)
})

test('a server that stops says so in the stream, and the run goes on', async () => {
  const work = steered()
  const first = await server()
  const second = await startTestServer({
    runbooks,
    beside: first,
    env: { JETTY_ROLE: 'api', JETTY_DRAIN_SECONDS: '1' },
  })
  const { chunks, headers } = await streamOf('stopped', { url: second.url })
  await work.begun
  const closing = second.close()
  const last = (await all(chunks)).at(-1)
  const id = headers.get('x-jetty-trajectory-id') ?? ''
  expect(last?.data).toMatchObject({
    error: { code: 'stopping', type: 'server_error' },
    jetty_metadata: { status: 'running', trajectory_id: id },
  })
  work.end()
  await closing
  expect((await first.until('stopped', id, (run) => run.ended !== null)).status).toBe('completed')
})
