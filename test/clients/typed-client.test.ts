// The typed client against a whole server, partly through a connection that breaks.
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createClient, isJettyError, JettyError, type RunEvent } from '../../src/client/create-client.ts'
import { startTestServer, type TestServer } from '../server.ts'

interface Tasks {
  'acme/greet': { params: { name?: string }; steps: { say: { text: string } }; outputs: { text: string } }
  'acme/fail': { params: object; steps: { read: { text: string } }; outputs: { text: string } }
  'acme/nap': { params: object; steps: Record<string, unknown>; outputs: Record<string, unknown> }
  'acme/read': { params: { file_paths: string[] }; steps: { read: { text: string } }; outputs: { text: string } }
}

/** What becomes of a request: its answer is lost, or breaks off after so many bytes. */
type Fault = 'lost' | { afterBytes: number }

/** Passes requests on to the server, and breaks those whose path a fault is meant for. */
const startFrailWay = async (target: string) => {
  const faults: { path: string; fault: Fault }[] = []
  const asked: string[] = []
  const answer = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    asked.push(`${incoming.method} ${incoming.url}`)
    const at = faults.findIndex(({ path }) => incoming.url?.includes(path))
    const fault = at < 0 ? undefined : faults.splice(at, 1)[0]?.fault
    const onward = request(target + incoming.url, { method: incoming.method, headers: incoming.headers }, (reply) => {
      if (fault === 'lost') return void reply.resume().on('end', () => outgoing.destroy())
      outgoing.writeHead(reply.statusCode ?? 500, reply.headers)
      let left = fault?.afterBytes ?? Number.POSITIVE_INFINITY
      reply.on('data', (bytes: Buffer) => {
        left -= bytes.length
        outgoing.write(bytes, () => left <= 0 && outgoing.destroy())
      })
      reply.on('end', () => outgoing.end())
    })
    outgoing.on('close', () => onward.destroy())
    onward.on('error', () => outgoing.destroy())
    incoming.pipe(onward)
  }
  const server: Server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, faults, asked, server }
}

let test: TestServer
let way: Awaited<ReturnType<typeof startFrailWay>>
beforeAll(async () => {
  test = await startTestServer()
  way = await startFrailWay(test.url)
  const workflows: Record<string, object> = {
    greet: {
      init_params: { name: 'world' },
      step_configs: { say: { activity: 'text_template', template: 'Hi {{name}}', name_path: 'init_params.name' } },
      steps: ['say'],
    },
    fail: { step_configs: { read: { activity: 'text_echo', text_path: 'init_params.gone' } }, steps: ['read'] },
    nap: { step_configs: { nap: { activity: 'sleep', seconds: 0.3 } }, steps: ['nap'] },
    read: { step_configs: { read: { activity: 'read_uploaded_file' } }, steps: ['read'] },
  }
  for (const [name, workflow] of Object.entries(workflows))
    await test.call('POST', '/api/v1/tasks/acme', { name, workflow })
})
beforeEach(() => {
  way.faults.length = 0
  way.asked.length = 0
})
afterAll(async () => {
  way?.server.closeAllConnections()
  way?.server.close()
  await test?.close()
})

const client = (url = test.url) => createClient<Tasks>({ url: `${url}/`, token: test.server.adminToken })

describe('a run', () => {
  it('is started and waited for, with typed outputs', async () => {
    const run = await client().runAndWait('acme/greet', { name: 'moon' })
    if (run.status !== 'completed') throw new Error(String(run.error))
    expect(run.outputs.text).toBe('Hi moon')
    expect(run.steps.say?.outputs.text).toBe('Hi moon')
  })

  it('that fails is an answer without outputs', async () => {
    const run = await client().runAndWait('acme/fail', {})
    expect([run.status, run.outputs]).toEqual(['failed', null])
    expect(run.error).toContain('gone')
  })

  it('is started once when the answer to its start is lost', async () => {
    way.faults.push({ path: '/run/acme/greet', fault: 'lost' })
    const started = await client(way.url).run('acme/greet', { name: 'once' })
    expect(way.asked.filter((one) => one.includes('/run/acme/greet'))).toHaveLength(2)
    const { body } = await test.call('GET', '/api/v1/db/trajectories/acme/greet')
    const once = body.trajectories.filter((one: { init_params: object }) => JSON.stringify(one).includes('once'))
    expect(once.map((one: { trajectory_id: string }) => one.trajectory_id)).toEqual([started.trajectory_id])
  })

  it('is followed to its end over a connection that breaks, without an event twice', async () => {
    const { trajectory_id } = await client().run('acme/nap', {})
    way.faults.push({ path: '/events', fault: { afterBytes: 1 } })
    const events: (RunEvent & { id: string | undefined })[] = []
    const breaks: unknown[] = []
    const place = { collection: 'acme', task: 'nap', trajectory_id }
    for await (const event of client(way.url).followRun(place, { onBreak: (error) => breaks.push(error) })) {
      events.push(event)
    }
    expect(events.at(-1)).toMatchObject({ event: 'end', data: { status: 'completed' } })
    expect(way.asked.filter((one) => one.includes('/events'))).toHaveLength(2)
    const ids = events.flatMap(({ id }) => (id === undefined ? [] : [id]))
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('is told of in the events of its collection', async () => {
    const control = new AbortController()
    const events = client().followCollection('acme', { signal: control.signal })
    expect((await events.next()).value).toMatchObject({ event: 'open' })
    const { trajectory_id } = await client().run('acme/greet', {})
    for (;;) {
      const { value } = await events.next()
      expect(value).toMatchObject({ event: 'run' })
      if (value?.event === 'run' && value.data.trajectory_id === trajectory_id) break // runs of before may still be told of
    }
    control.abort()
  })

  it('is not waited for any longer when its signal fires', async () => {
    const control = new AbortController()
    const waiting = client().runAndWait('acme/nap', {}, { signal: control.signal, onEvent: () => control.abort() })
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('needs a task with its collection', () => {
    // @ts-expect-error there is no such task
    expect(() => client().run('greet', {})).toThrow('Expected a task as collection/task, got "greet"')
  })
})

describe('an upload', () => {
  it('tells its progress, and is read by a run', async () => {
    const told: number[][] = []
    const text = 'x'.repeat(300_000)
    const file = await client().upload(new File([text], 'a.txt', { type: 'text/plain' }), {
      collection: 'acme',
      onProgress: (...counts) => told.push(counts),
    })
    expect(file).toMatchObject({ filename: 'a.txt', size: text.length })
    expect(told.at(-1)).toEqual([text.length, text.length])
    expect(told.map(([sent = 0]) => sent)).toEqual(told.map(([sent = 0]) => sent).sort((one, other) => one - other))
    const run = await client().runAndWait('acme/read', { file_paths: [file.path] })
    expect(run.outputs?.text.length).toBe(text.length)
  })
})

describe('an error', () => {
  it('has the code and the hint of the server', async () => {
    const error = await client()
      .getTask({ params: { collection: 'acme', task: 'none' } })
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(JettyError)
    expect([isJettyError(error), isJettyError(error, 'not_found'), isJettyError(error, 'busy')]).toEqual([
      true,
      true,
      false,
    ])
    expect(isJettyError(new Error('other'))).toBe(false)
  })

  it('of a connection comes after the last try', async () => {
    for (let tries = 0; tries < 5; tries++) way.faults.push({ path: '/api/v1/health', fault: 'lost' })
    const error = await client(way.url)
      .getHealth({ signal: AbortSignal.timeout(500) })
      .catch((thrown: unknown) => thrown)
    expect((error as Error).name).toMatch(/AppError|TimeoutError/)
    expect(way.asked.length).toBeGreaterThan(1)
  })
})
