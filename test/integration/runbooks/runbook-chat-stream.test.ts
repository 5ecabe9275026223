// The stream of a chat that asks for a runbook: what it says when, how it goes on after a break, and how it ends.
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import type { RunbookHost } from '../../../src/model/runbooks/runbook-run.ts'
import { makeFakeRunbooks } from '../../fakes/runbooks.ts'
import { startTestServer, type TestServer } from '../../server.ts'
import { allOf, type ChatStream, type Chunk, contentOf, openChat } from '../gateway/chat-stream.ts'
import { failing, untilAborted } from '../runs/carrying.ts'

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
const opened: ChatStream[] = []
afterEach(() => {
  for (const one of opened.splice(0)) one.leave()
})
const streamOf = async (task: string, options: Parameters<typeof openChat>[2] & { at?: TestServer } = {}) => {
  const stream = await openChat(options.at ?? (await server()), task, options)
  opened.push(stream)
  return stream
}

/** Reads until something is said: what has changed again by the time it is told of is told as it is then. */
const untilSaid = async (chunks: ChatStream['chunks'], words: string): Promise<void> => {
  for (;;) {
    const { value, done } = await chunks.next()
    if (done) throw new Error(`it ended without saying: ${words}`)
    if (contentOf([value]) === words) return
  }
}

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
    await Promise.race([ended, untilAborted(given)])
    return given.signal.aborted ? failing('cancelled') : { text: 'Good bye.' }
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
  await untilSaid(chunks, "Step 'run' (runbook) started\n")
  work.tell('I begin.')
  work.tell('Good bye.')
  work.end()
  const rest = await allOf(chunks)
  const text = contentOf(rest)
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
  const read = await allOf((await streamOf('failing')).chunks)
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
  const text = contentOf(await allOf(again.chunks))
  expect(text).toContain('Two.')
  expect(text).not.toContain('One.')
  expect(text).not.toContain(' started')
})

test('the ids are those of the events of the run', async () => {
  const work = steered()
  const { chunks, headers } = await streamOf('same-ids')
  await work.begun
  work.tell('Here.')
  work.end()
  const at = (await allOf(chunks)).find(({ data }) => data.jetty_event?.text === 'Here.')?.id
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
  const { chunks, headers } = await streamOf('stopped', { at: second })
  await work.begun
  const closing = second.close()
  const last = (await allOf(chunks)).at(-1)
  const id = headers.get('x-jetty-trajectory-id') ?? ''
  expect(last?.data).toMatchObject({
    error: { code: 'stopping', type: 'server_error' },
    jetty_metadata: { status: 'running', trajectory_id: id },
  })
  work.end()
  await closing
  expect((await first.until('stopped', id, (run) => run.ended !== null)).status).toBe('completed')
})

test('after a restart the same request goes on in another process, which has never heard of it', async () => {
  const first = await server()
  const other = (role: string) =>
    startTestServer({ runbooks, beside: first, env: { JETTY_ROLE: role, JETTY_DRAIN_SECONDS: '1' } })
  const key = { 'idempotency-key': 'over-a-restart' }
  const work = steered()
  const before = await other('api')
  const broken = await streamOf('restarted', { at: before, headers: key })
  await work.begun
  work.tell('Before.')
  let last: string | undefined
  for await (const { id, data } of broken.chunks) {
    last = id ?? last
    if (data.jetty_event?.text === 'Before.') break
  }
  broken.leave()
  await before.close()
  work.tell('Meanwhile.')
  const after = await other('api')
  const again = await streamOf('restarted', { at: after, headers: { ...key, 'last-event-id': last ?? '' } })
  expect(again.headers.get('x-jetty-trajectory-id')).toBe(broken.headers.get('x-jetty-trajectory-id'))
  work.end()
  const read = await allOf(again.chunks)
  expect(contentOf(read)).toContain('Meanwhile.')
  expect(contentOf(read)).not.toContain('Before.')
  expect(read.at(-2)?.data.jetty_metadata).toMatchObject({ status: 'completed', task: 'restarted' })
  await after.close()
})

test('who comes when all is over is told all of it, or what is left after the last event', async () => {
  const key = { 'idempotency-key': 'late' }
  const work = steered()
  const first = await streamOf('late', { headers: key })
  await work.begun
  for (const text of ['One.', 'Two.', 'Three.']) work.tell(text)
  work.end()
  const live = await allOf(first.chunks)
  const told = (chunks: Chunk[]) => chunks.flatMap(({ data }) => data.jetty_event?.text ?? [])
  expect(told(live)).toEqual(['One.', 'Two.', 'Three.'])
  const whole = await allOf((await streamOf('late', { headers: key })).chunks)
  expect(told(whole)).toEqual(['One.', 'Two.', 'Three.'])
  const at = live.find(({ data }) => data.jetty_event?.text === 'Two.')?.id ?? ''
  const rest = await allOf((await streamOf('late', { headers: { ...key, 'last-event-id': at } })).chunks)
  expect(told(rest)).toEqual(['Three.'])
  const end = live.findLast(({ id }) => id !== undefined)?.id ?? ''
  const nothing = await allOf((await streamOf('late', { headers: { ...key, 'last-event-id': end } })).chunks)
  expect(told(nothing)).toEqual([])
  expect(nothing.map(({ data }) => data.choices?.[0]?.finish_reason ?? data)).toEqual([
    expect.anything(),
    'stop',
    '[DONE]',
  ])
})
