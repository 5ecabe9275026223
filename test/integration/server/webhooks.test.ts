import { createHash, randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { deliveriesSchema } from '../../../src/model/webhook.ts'
import { removeOldRuns } from '../../../src/store/collections/retention.ts'
import { countOlder, resealColumn, sealedColumns } from '../../../src/store/secrets/sealed-texts.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import type { Answering } from '../../webhook-receiver.ts'
import { type Delivering, startDelivering, told, until } from './delivering.ts'

const secret = 'whsec-unmistakable-7f3a91c2'
const failures = 3

let hooks: Delivering
let jetty: TestServer
let task: string
let nowMs = Date.UTC(2030, 0, 1)

beforeAll(async () => {
  hooks = await startDelivering({ clock: () => nowMs })
  ;({ jetty, task } = hooks)
})
afterAll(() => hooks?.close())

const path: Delivering['path'] = (id, of) => hooks.path(id, of)
const receive: Delivering['receive'] = (answering) => hooks.receive(answering)
const start: Delivering['start'] = (form, of) => hooks.start(form, of)
const deliveries: Delivering['deliveries'] = (id, of) => hooks.deliveries(id, of)
const settled: Delivering['settled'] = (id, of) => hooks.settled(id, of)
/** Nothing more comes within some looks of the server. */
const quiet = () => new Promise((resolve) => setTimeout(resolve, 300))

/** HMAC-SHA256 as RFC 2104 has it, by hand. */
const hmac = (key: string, message: Buffer): string => {
  const block = Buffer.alloc(64)
  Buffer.from(key).copy(block)
  const hash = (pad: number, data: Buffer) =>
    createHash('sha256')
      .update(Buffer.concat([block.map((byte) => byte ^ pad), data]))
      .digest()
  return hash(0x5c, hash(0x36, message)).toString('hex')
}

test('fails three times, then is delivered: each attempt at its time, signed, with the document as GET gives it', async () => {
  const receiver = await receive((answer, n) => answer.writeHead(n <= failures ? 500 : 200).end('thanks'))
  const id = await start({ webhook_url: `${receiver.url}/hook?a=1`, webhook_secret: secret })
  const waits = [5_000, 30_000, 120_000]
  for (const [at, wait] of waits.entries()) {
    const seen = await until(
      () => deliveries(id),
      (one) => one.deliveries.length === at + 1,
    )
    expect(seen.state).toBe('pending')
    expect(Date.parse(seen.next_attempt_at)).toBe(nowMs + wait)
    nowMs += wait - 1
    await quiet()
    expect(receiver.of(id)).toHaveLength(at + 1)
    nowMs += 1
  }
  const end = deliveriesSchema.parse(await settled(id))
  expect(end).toMatchObject({ state: 'delivered', next_attempt_at: null, webhook_url: `${receiver.url}/hook?a=1` })
  expect(end.deliveries.map(({ n, status, status_code, by_hand }) => [n, status, status_code, by_hand])).toEqual([
    [1, 'failed', 500, false],
    [2, 'failed', 500, false],
    [3, 'failed', 500, false],
    [4, 'delivered', 200, false],
  ])
  expect(end.deliveries[0]?.error).toBe('The receiver answered 500')

  const document = await fetch(`${jetty.url}/api/v1/db/trajectory/acme/${task}/${id}`, {
    headers: { authorization: `Bearer ${jetty.server.adminToken}` },
  }).then((answer) => answer.text())
  for (const { headers, body, path } of receiver.of(id)) {
    expect(body.toString()).toBe(document)
    expect(path).toBe('/hook?a=1')
    expect(headers['content-type']).toBe('application/json')
    expect(headers['x-mise-trajectory-id']).toBe(id)
    expect(headers['x-jetty-timestamp']).toBe(headers['x-mise-timestamp'])
    const signed = Buffer.concat([Buffer.from(`${headers['x-mise-timestamp']}.`), body])
    expect(headers['x-mise-signature']).toBe(hmac(secret, signed))
    expect(headers['x-jetty-signature']).toBe(hmac(secret, signed))
  }
  expect(JSON.parse(document)).toMatchObject({ status: 'completed', webhook_url: `${receiver.url}/hook?a=1` })
  expect(receiver.of(id).at(-1)?.headers['x-mise-timestamp']).toBe(String(nowMs / 1000))

  const logs = await jetty.call('GET', `/api/v1/workflows-logs/acme-${task}--${id}`)
  const told = logs.body.events.filter(({ type }: Body) => type.startsWith('webhook_'))
  expect(told.map(({ level, type }: Body) => [level, type])).toEqual([
    ['warning', 'webhook_failed'],
    ['warning', 'webhook_failed'],
    ['warning', 'webhook_failed'],
    ['info', 'webhook_delivered'],
  ])
})

test('is given up after eight attempts, which takes more than a day; then by hand, with the body of now', async () => {
  let status = 503
  const receiver = await receive((answer) => answer.writeHead(status).end())
  const id = await start({ webhook_url: receiver.url })
  for (let n = 1; n <= 8; n++) {
    await until(
      () => deliveries(id),
      (one) => one.deliveries.length === n,
    )
    nowMs += 24 * 3_600_000
  }
  expect(await settled(id)).toMatchObject({ state: 'failed', next_attempt_at: null })
  await quiet()
  expect(receiver.of(id)).toHaveLength(8)
  expect(receiver.of(id)[0]?.headers).not.toHaveProperty('x-jetty-signature')
  expect(receiver.of(id)[0]?.headers).not.toHaveProperty('x-jetty-timestamp')

  await jetty.call('POST', `/api/v1/trajectory/acme/${task}/${id}/labels`, { key: 'seen', value: 'yes', author: 'a' })
  const again = await jetty.call('POST', `${path(id)}/8/redeliver`)
  expect([again.status, again.body.state, again.body.deliveries.length]).toEqual([200, 'failed', 9])
  expect(again.body.deliveries.at(-1)).toMatchObject({ n: 9, by_hand: true, status: 'failed', status_code: 503 })
  status = 201
  const delivered = (await jetty.call('POST', `${path(id)}/8/redeliver`)).body
  expect([delivered.state, delivered.deliveries.at(-1).status]).toEqual(['delivered', 'delivered'])
  expect(JSON.parse(receiver.of(id).at(-1)?.body.toString() ?? '').labels).toMatchObject([{ key: 'seen' }])
  await quiet()
  expect(receiver.of(id)).toHaveLength(10)

  expect(await jetty.call('POST', `${path(id)}/11/redeliver`)).toMatchObject({ status: 404 })
  expect(await jetty.call('POST', `${path(id)}/x/redeliver`)).toMatchObject({ status: 404 })
})

test('a delivery by hand ends the schedule where it succeeds, and leaves it where not', async () => {
  let status = 500
  const receiver = await receive((answer) => answer.writeHead(status).end())
  const id = await start({ webhook_url: receiver.url })
  await until(
    () => deliveries(id),
    (one) => one.deliveries.length === 1,
  )
  const failed = (await jetty.call('POST', `${path(id)}/1/redeliver`)).body
  expect([failed.state, Date.parse(failed.next_attempt_at)]).toEqual(['pending', nowMs + 5_000])
  status = 200
  expect((await jetty.call('POST', `${path(id)}/1/redeliver`)).body.state).toBe('delivered')
  nowMs += 5_000
  await quiet()
  expect(receiver.of(id)).toHaveLength(3)
})

test('tells of runs that failed and of those that were cancelled, however they ended; of each once', async () => {
  const receiver = await receive()
  const failing = await jetty.task({
    step_configs: { say: { activity: 'text_echo', text_path: 'init_params.absent' } },
    steps: ['say'],
  })
  const sleeping = await jetty.task({ step_configs: { nap: { activity: 'sleep', seconds: 600 } }, steps: ['nap'] })
  const failed = await start({ webhook_url: receiver.url }, failing)
  const cancelled = await start({ webhook_url: receiver.url }, sleeping)
  await jetty.until(sleeping, cancelled, (run) => run.steps.nap !== undefined)
  expect(await deliveries(cancelled, sleeping)).toMatchObject({ state: 'waiting', deliveries: [] })
  await jetty.call('POST', `/api/v1/trajectory/acme/${sleeping}/statuses`, { [cancelled]: 'cancelled' })
  await settled(failed, failing)
  await settled(cancelled, sleeping)
  await jetty.call('POST', `/api/v1/trajectory/acme/${failing}/statuses`, { [failed]: 'completed' })
  await quiet()
  expect(receiver.received.map(({ body }) => JSON.parse(body.toString()).status).sort()).toEqual([
    'cancelled',
    'failed',
  ])
})

test('a receiver that closes early, redirects or answers with megabytes is bounded; it changes no status', async () => {
  const target = await receive()
  const behaviours: [string, Answering, string | RegExp][] = [
    ['closes', (answer) => answer.destroy(), /failed/],
    ['redirects', (answer) => answer.writeHead(307, { location: target.url }).end(), /307; redirects are not followed/],
  ]
  for (const [name, answering, error] of behaviours) {
    const receiver = await receive(answering)
    const id = await start({ webhook_url: `${receiver.url}/${name}` })
    const seen = await until(
      () => deliveries(id),
      (one) => one.deliveries.length === 1,
    )
    expect(seen.deliveries[0]).toMatchObject({ status: 'failed', error: expect.stringMatching(error) })
    expect((await jetty.get(task, id)).status).toBe('completed')
  }
  expect(target.received).toHaveLength(0)

  let sent = 0
  const endless = await receive((answer) => {
    answer.writeHead(200)
    const pour = () => {
      while (!answer.destroyed && sent < 10e6 && answer.write(Buffer.alloc(65_536))) sent += 65_536
      if (sent >= 10e6) answer.end()
    }
    answer.on('drain', pour)
    pour()
  })
  const id = await start({ webhook_url: endless.url })
  expect(await settled(id)).toMatchObject({ state: 'delivered', deliveries: [{ status_code: 200 }] })
  expect(sent).toBeLessThan(10e6)
})

test('one collection whose receiver hangs leaves room for the others', async () => {
  const hanging = await receive(() => {})
  const healthy = await receive()
  await jetty.call('POST', '/api/v1/collections', { name: 'patient' })
  await jetty.call('POST', '/api/v1/tasks/patient', { name: 'told', workflow: told })
  await Promise.all(Array.from({ length: 60 }, () => start({ webhook_url: hanging.url })))
  const { body } = await jetty.call('POST', '/api/v1/run/patient/told', { webhook_url: healthy.url })
  await until(
    () => healthy.of(body.trajectory_id).length,
    (count) => count === 1,
  )
  expect(hanging.received.length).toBeLessThan(30)
  hanging.close()
})

test('whoever delivers by hand to a receiver that hangs leaves room for the others as well', async () => {
  let hangs = false
  const held: ServerResponse[] = []
  const receiver = await receive((answer) => void (hangs ? held.push(answer) : answer.writeHead(500).end()))
  const id = await start({ webhook_url: receiver.url })
  await until(
    () => deliveries(id),
    (one) => one.deliveries.length === 1,
  )
  hangs = true
  const answers: number[] = []
  const calls = Array.from({ length: 12 }, async () => {
    answers.push((await jetty.call('POST', `${path(id)}/1/redeliver`)).status)
  })
  await until(
    () => answers.filter((status) => status === 503).length,
    (count) => count >= 4,
  )
  hangs = false
  for (const answer of held) answer.writeHead(500).end()
  await Promise.all(calls)
  expect(answers).toContain(200)
})

test('a trajectory that is too large is sent to nobody, and tried no more', async () => {
  const receiver = await receive()
  const text = 'x'.repeat(700_000)
  const large = await jetty.task({
    init_params: { text },
    step_configs: { say: { activity: 'text_echo', text_path: 'init_params.text' } },
    steps: ['say'],
  })
  const id = await start({ webhook_url: receiver.url }, large)
  expect(await settled(id, large)).toMatchObject({
    state: 'failed',
    next_attempt_at: null,
    deliveries: [{ status: 'failed', error: expect.stringContaining('raise JETTY_WEBHOOK_BYTES') }],
  })
  expect(receiver.received).toHaveLength(0)
})

test('its secret is sealed, follows a change of the key, and signs as before', async () => {
  const receiver = await receive((answer) => answer.writeHead(500).end())
  const id = await start({ webhook_url: receiver.url, webhook_secret: secret })
  await until(
    () => deliveries(id),
    (one) => one.deliveries.length === 1,
  )
  const { database, sealer } = jetty.server
  const [column, ...others] = sealedColumns.filter(
    ({ table, sealed }) => table === 'runs' && sealed === 'sealed_webhook_secret',
  )
  if (!column || others.length > 0) throw new Error('the secrets of webhooks are one column')
  sealer.addNewest(randomBytes(32))
  expect([...(await countOlder(database, sealer.currentKeyId, [column])).values()]).not.toEqual([])
  await resealColumn(database, sealer, column, async () => {})
  expect(await countOlder(database, sealer.currentKeyId, [column])).toEqual(new Map())
  await jetty.call('POST', `${path(id)}/1/redeliver`)
  const [before, after] = receiver.of(id)
  for (const { headers, body } of [before, after].filter((one) => one !== undefined)) {
    const signed = Buffer.concat([Buffer.from(`${headers['x-jetty-timestamp']}.`), body])
    expect(headers['x-jetty-signature']).toBe(hmac(secret, signed))
  }
  expect(after).toBeDefined()
})

test('each is delivered once; a process that executes nothing delivers by hand alone', async () => {
  const receiver = await receive()
  const beside = await startTestServer({
    beside: jetty,
    env: { JETTY_ROLE: 'api', JETTY_ALLOW_PRIVATE_NETWORK: '127.0.0.1' },
  })
  try {
    const ids = await Promise.all(Array.from({ length: 40 }, () => start({ webhook_url: receiver.url })))
    await until(
      () => receiver.received.length,
      (count) => count >= ids.length,
    )
    await quiet()
    for (const id of ids) expect(receiver.of(id)).toHaveLength(1)
    const by = await beside.call('POST', `${path(ids[0] ?? '')}/1/redeliver`)
    expect([by.status, by.body.deliveries.length]).toEqual([200, 2])
  } finally {
    await beside.close()
  }
})

test('goes with its run: when that is too old, and with its collection', async () => {
  const receiver = await receive((answer) => answer.writeHead(500).end())
  const rows = async (): Promise<Body> => {
    const [row] = await jetty.server.database.query<Body>(
      `select (select count(*) from webhook_queue)::int as queued, (select count(*) from webhook_attempts a
         where not exists (select from runs where id = a.run_id))::int as orphans,
         (select count(*) from webhook_queue q where not exists (select from runs where id = q.run_id))::int as lost`,
    )
    return row
  }
  await jetty.call('POST', '/api/v1/collections', { name: 'leaving' })
  await jetty.call('POST', '/api/v1/tasks/leaving', { name: 'told', workflow: told })
  for (let n = 0; n < 2; n++) await jetty.call('POST', '/api/v1/run/leaving/told', { webhook_url: receiver.url })
  await until(
    () => receiver.received.length,
    (count) => count === 2,
  )
  const { database, objects } = jetty.server
  await jetty.call('PATCH', '/api/v1/collections/leaving/settings', { retention_days: 1 })
  await database.query(
    `update runs set created_at = now() - interval '3 days', ended_at = now() - interval '2 days'
     where id = (select max(id) from runs where name = 'leaving/told')`,
  )
  await removeOldRuns(database, { objects })
  expect(await rows()).toMatchObject({ orphans: 0, lost: 0 })
  await jetty.call('DELETE', '/api/v1/collections/leaving')
  expect(await rows()).toMatchObject({ orphans: 0, lost: 0 })
})
