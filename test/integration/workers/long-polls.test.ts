// Polls that wait for longer than proxies leave a silent connection open: line breaks come before their JSON.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { activity, z } from '../../../src/activities/own/declare.ts'
import { type WorkerLog, worker } from '../../../src/client/worker/worker.ts'
import { pause } from '../../../src/lib/time.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { startCuttingProxy } from './cutting-proxy.ts'
import { startTestWorker, type TestWorker, testWorker } from './test-worker.ts'

const python = fileURLToPath(new URL('../../../examples/workers/reverse_words.py', import.meta.url))
const pollBeatMs = 100
const env = { JETTY_DRAIN_SECONDS: '5' }

let jetty: TestServer
const closers: (() => unknown)[] = []

beforeAll(async () => {
  jetty = await startTestServer({ env, pollBeatMs })
}, 240_000)
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})
afterAll(() => jetty?.close())

interface Received {
  status: number
  headers: NodeJS.Dict<string | string[]>
  /** What came so far. */
  text: string
}

/** Sends a long poll, and shows its answer while it comes. */
const openPoll = (id: string, more: Record<string, unknown> = {}, token = jetty.server.adminToken, at = jetty.url) => {
  const received: Received = { status: 0, headers: {}, text: '' }
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const asked = request(`${at}/api/v1/workers/${id}/poll`, { method: 'POST', headers })
  asked.end(JSON.stringify({ wait_seconds: 200, holding: [], ...more }))
  const ended = new Promise<Body>((resolve, reject) => {
    asked.on('error', reject)
    asked.on('response', (answer) => {
      Object.assign(received, { status: answer.statusCode, headers: answer.headers })
      answer.setEncoding('utf8').on('data', (chunk) => (received.text += chunk))
      answer.on('end', () => resolve(JSON.parse(received.text))).on('error', reject)
    })
  })
  ended.catch(() => {})
  closers.push(() => asked.destroy())
  return { received, ended, leave: () => asked.destroy() }
}

const lineBreaks = async ({ received }: { received: Received }, count: number): Promise<void> => {
  await expect.poll(() => received.text.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(count)
}

const started = async (name: string): Promise<{ task: string; id: string }> => {
  const task = await jetty.task({ step_configs: { work: { activity: name } }, steps: ['work'] })
  return { task, id: (await jetty.start(task)).trajectory_id }
}
const completed = async (tester: TestWorker, job: Body, at: { task: string; id: string }) => {
  await tester.say(job, 'complete')
  expect((await jetty.until(at.task, at.id, ({ ended }) => ended !== null)).status).toBe('completed')
}
const makeKey = async (name: string): Promise<{ key: string; id: number }> => {
  const body = { name, collection_name: 'acme', access_level: 'WORKER' }
  const { api_key: key, id } = (await jetty.call('POST', '/api/v1/api-keys', body)).body
  return { key, id }
}

describe('a long poll', () => {
  it('gets line breaks while it waits, and its job as JSON behind them', async () => {
    const tester = await startTestWorker(jetty, ['beat.work'])
    const poll = openPoll(tester.id)
    await lineBreaks(poll, 3)
    expect(poll.received.status).toBe(200)
    expect(poll.received.headers).toMatchObject({ 'content-type': 'application/json', 'x-accel-buffering': 'no' })
    expect(poll.received.text.trim()).toBe('')
    const at = await started('beat.work')
    const { jobs, drain } = await poll.ended
    expect(drain).toBe(false)
    expect(jobs).toMatchObject([{ activity: 'beat.work', epoch: 1 }])
    await completed(tester, jobs[0], at)
  })

  it('that gets its job before the first line break is answered like a short one', async () => {
    const other = await startTestServer({ beside: jetty, env: { ...env, JETTY_ROLE: 'api' } }) // with the usual 25 s
    closers.push(() => other.close())
    const tester = await startTestWorker(jetty, ['soon.work'])
    const at = await started('soon.work')
    const poll = openPoll(tester.id, {}, undefined, other.url)
    const { jobs } = await poll.ended
    expect(poll.received.headers['content-length']).toBe(String(poll.received.text.length))
    expect(poll.received.text[0]).toBe('{')
    await completed(tester, jobs[0], at)
  })

  it('of 50 s is silent until it is answered', async () => {
    const tester = await startTestWorker(jetty, ['silent.work'])
    const poll = openPoll(tester.id, { wait_seconds: 50 })
    await pause(5 * pollBeatMs)
    expect(poll.received.status).toBe(0)
    const at = await started('silent.work')
    const { jobs } = await poll.ended
    expect(poll.received.headers['content-length']).toBe(String(poll.received.text.length))
    await completed(tester, jobs[0], at)
  })

  it('keeps its worker online', async () => {
    const tester = await startTestWorker(jetty, ['seen.work'])
    const poll = openPoll(tester.id)
    await lineBreaks(poll, 1)
    const { database } = jetty.server
    await database.query(`update workers set seen_at = now() - interval '1 hour' where id = $1`, [tester.id])
    const seen = async () =>
      (await database.query(`select from workers where id = $1 and seen_at > now() - interval '1 minute'`, [tester.id]))
        .length
    await expect.poll(seen, { timeout: 20_000 }).toBe(1)
  })

  it('ends when its worker is to get no more jobs, also where the news of it were lost', async () => {
    const [told, untold] = [await startTestWorker(jetty, ['drain.a']), await startTestWorker(jetty, ['drain.b'])]
    const polls = [openPoll(told.id), openPoll(untold.id)]
    for (const poll of polls) await lineBreaks(poll, 1)
    await jetty.call('DELETE', `/api/v1/workers/${told.id}`)
    await jetty.server.database.query('update workers set drained_at = now() where id = $1', [untold.id])
    for (const poll of polls) expect(await poll.ended).toEqual({ jobs: [], drain: true })
  })

  it('ends without jobs when its worker is gone, and the next poll says so', async () => {
    const tester = await startTestWorker(jetty, ['gone.work'])
    const poll = openPoll(tester.id)
    await lineBreaks(poll, 1)
    await jetty.server.database.query('delete from workers where id = $1', [tester.id])
    expect(await poll.ended).toEqual({ jobs: [], drain: false })
    expect((await tester.poll({ wait_seconds: 0 })).status).toBe(404)
  })

  it('is given up when its client leaves: the job goes to the next one', async () => {
    const [leaves, stays] = [await startTestWorker(jetty, ['left.work']), await startTestWorker(jetty, ['left.work'])]
    const first = openPoll(leaves.id)
    await lineBreaks(first, 1)
    const second = openPoll(stays.id)
    await lineBreaks(second, 1)
    first.leave()
    for (let calls = 0; calls < 3; calls++) await jetty.call('GET', '/health') // it has seen the end of the connection
    const at = await started('left.work')
    const { jobs } = await second.ended
    expect(jobs.length).toBe(1)
    await completed(stays, jobs[0], at)
  })

  it('of a client that speaks HTTP/1.0 is answered too', async () => {
    const tester = await startTestWorker(jetty, ['old.work'])
    const { hostname, port } = new URL(jetty.url)
    const socket = connect(Number(port), hostname)
    const body = JSON.stringify({ wait_seconds: 200 })
    socket.write(
      `POST /api/v1/workers/${tester.id}/poll HTTP/1.0\r\nauthorization: Bearer ${jetty.server.adminToken}\r\n` +
        `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    let text = ''
    socket.setEncoding('utf8').on('data', (chunk) => (text += chunk))
    const over = once(socket, 'end')
    await expect.poll(() => text, { timeout: 20_000 }).toMatch(/\r\n\r\n\n/)
    await jetty.call('DELETE', `/api/v1/workers/${tester.id}`)
    await over
    expect(text).not.toMatch(/transfer-encoding/i)
    expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n')))).toEqual({ jobs: [], drain: true })
  })

  it('ends in time when its server stops', async () => {
    const other = await startTestServer({ beside: jetty, env: { ...env, JETTY_ROLE: 'api' }, pollBeatMs })
    const tester = testWorker(other, (await startTestWorker(jetty, ['stop.work'])).id)
    const poll = openPoll(tester.id, {}, undefined, other.url)
    await lineBreaks(poll, 1)
    const begun = performance.now()
    await other.close()
    expect(performance.now() - begun).toBeLessThan(4_500) // the drain time would cut it
    expect(await poll.ended).toEqual({ jobs: [], drain: false })
  })
})

describe('a key', () => {
  const changes = {
    'is revoked': (id: number) => jetty.call('DELETE', `/api/v1/api-keys/${id}`),
    'is switched off': (id: number) => jetty.call('PUT', `/api/v1/api-keys/${id}`, { is_active: false }),
    'has expired': (id: number) =>
      jetty.server.database.query(`update api_keys set expires_at = now() - interval '1 second' where id = $1`, [id]),
  }
  it.each(Object.entries(changes))('that %s while its worker waits gets no job any more', async (how, change) => {
    const activityName = `key.${how.replaceAll(' ', '-')}`
    const { key, id } = await makeKey(how)
    const revoked = await startTestWorker(jetty, [activityName], {}, key)
    const poll = openPoll(revoked.id, {}, key)
    await lineBreaks(poll, 1)
    await change(id)
    expect(await poll.ended).toEqual({ jobs: [], drain: false })
    const at = await started(activityName)
    expect((await revoked.poll({ wait_seconds: 0 })).status).toBe(401)
    const other = await startTestWorker(jetty, [activityName])
    const job = await other.take()
    expect(job.epoch).toBe(1) // nobody had it before
    await completed(other, job, at)
  })

  it('that covers other collections than before polls anew', async () => {
    const { key, id } = await makeKey('moves')
    await jetty.call('POST', '/api/v1/collections', { name: 'elsewhere' })
    const tester = await startTestWorker(jetty, ['moved.work'], {}, key)
    const poll = openPoll(tester.id, {}, key)
    await lineBreaks(poll, 1)
    const cover = `insert into api_key_collections (key_id, collection_id) select $1, id from collections where name = 'elsewhere'`
    await jetty.server.database.query(cover, [id])
    expect(await poll.ended).toEqual({ jobs: [], drain: false })
  })

  it('that is not concerned keeps its poll while tasks and other keys change', async () => {
    const [mine, theirs] = [await makeKey('mine'), await makeKey('theirs')]
    const tester = await startTestWorker(jetty, ['calm.work'], {}, mine.key)
    const poll = openPoll(tester.id, {}, mine.key)
    await lineBreaks(poll, 1)
    await jetty.call('DELETE', `/api/v1/api-keys/${theirs.id}`)
    const at = await started('calm.work')
    const { jobs } = await poll.ended
    expect(jobs.length).toBe(1)
    await completed(tester, jobs[0], at)
  })

  it('ends its poll when it expires', async () => {
    const { key, id } = await makeKey('short-lived')
    await jetty.server.database.query(`update api_keys set expires_at = now() + interval '3 seconds' where id = $1`, [
      id,
    ])
    const tester = await startTestWorker(jetty, ['expiry.work'], {}, key)
    expect((await tester.poll({ wait_seconds: 200 })).body).toEqual({ jobs: [], drain: false })
    expect((await tester.poll({ wait_seconds: 0 })).status).toBe(401)
  })
})

const cuttingProxy = async () => {
  const proxy = await startCuttingProxy(jetty.url, 15 * pollBeatMs)
  closers.push(() => proxy.close())
  return proxy
}
/** Three times as long as the proxy leaves a silent connection open. */
const afterCuts = () => pause(45 * pollBeatMs)
const outputsOf = async (activityName: string): Promise<Body> => {
  const own = { activity: activityName, text: 'still here' }
  return (await jetty.run({ step_configs: { own }, steps: ['own'] })).trajectory.steps.own.outputs
}

describe('behind a proxy that cuts silent connections', () => {
  it('the TypeScript worker keeps its poll', async () => {
    const proxy = await cuttingProxy()
    const lines: WorkerLog[] = []
    const stopping = new AbortController()
    let polls = 0
    const counted: typeof fetch = (target, init) => {
      if (String(target).endsWith('/poll')) polls++
      return fetch(target, init)
    }
    const text = z.object({ text: z.string().describe('Text.') })
    const shout = activity({
      ...{ name: 'proxy.shout', description: 'Shouts.', parameters: text, outputs: text },
      run: (given) => Promise.resolve({ text: given.text.toUpperCase() }),
    })
    const { key } = await makeKey('behind a proxy')
    const ended = worker({
      ...{ url: proxy.url, token: key, activities: [shout], fetch: counted, signal: stopping.signal },
      log: (entry) => void lines.push(entry),
    })
    closers.push(async () => {
      stopping.abort()
      await ended
    })
    await expect.poll(() => polls, { timeout: 20_000 }).toBe(1)
    await afterCuts()
    expect(await outputsOf('proxy.shout')).toEqual({ text: 'STILL HERE' })
    expect(polls).toBeLessThanOrEqual(2) // the second asks for the next job
    expect(lines.filter(({ level }) => level !== 'info')).toEqual([])
  })

  it('the Python worker of the guide keeps its poll', async () => {
    const proxy = await cuttingProxy()
    const { key } = await makeKey('in Python')
    const variables = { PATH: process.env.PATH, JETTY_API_URL: proxy.url, JETTY_API_TOKEN: key }
    const child = spawn('python3', [python], { env: variables, stdio: ['ignore', 'inherit', 'inherit'] })
    const exited = once(child, 'exit')
    closers.push(async () => {
      child.kill('SIGKILL')
      await exited
    })
    await expect.poll(() => proxy.seen.connections, { timeout: 20_000 }).toBe(2) // one registered it
    await afterCuts()
    expect(proxy.seen).toEqual({ connections: 2, cut: 0 })
    expect(await outputsOf('text.reverse')).toEqual({ text: 'here still' })
    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
  })
})
