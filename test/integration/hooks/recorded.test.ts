// Recorded deliveries of four services over HTTP: with right, wrong and replayed signatures.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { echoing, hmac, post, type Received, type TestHooks, testHooks } from './receiving.ts'
import { type RecordedDelivery, recordedDeliveries } from './recorded.ts'

let jetty: TestServer
let hooks: TestHooks
beforeAll(async () => {
  jetty = await startTestServer({ beatMs: 100, houseMs: 50 })
  hooks = testHooks(jetty)
})
afterAll(() => jetty?.close())

type Sender = keyof typeof recordedDeliveries

interface Expected {
  /** What the hook knows the delivery by. */
  id: string
  event: string
  mapping: string
  text: string
  /** Signs a delivery at a time, in seconds since 1970. */
  sign(of: RecordedDelivery, secret: string, seconds: number): RecordedDelivery
  /** Gives a delivery another id, as somebody would who has overheard it; missing where the id is signed. */
  rename?(of: RecordedDelivery): RecordedDelivery
}

const withHeaders = (of: RecordedDelivery, headers: Record<string, string>): RecordedDelivery => ({
  ...of,
  headers: { ...of.headers, ...headers },
})

const senders: Record<Sender, Expected> = {
  github: {
    id: '72d3162e-cc78-11e3-81ab-4c9367dc0958',
    event: 'push',
    mapping: '{ "text": event & " " & payload.head_commit.message }',
    text: 'push Zoë’s page',
    sign: (of, secret) => withHeaders(of, { 'x-hub-signature-256': `sha256=${hmac(secret, of.text)}` }),
    rename: (of) => withHeaders(of, { 'x-github-delivery': 'another' }),
  },
  stripe: {
    id: 'evt_1RrecordedInvoicePaid',
    event: 'invoice.paid',
    mapping: '{ "text": payload.data.object.number & " " & payload.type }',
    text: 'A1B2C3D4-0001 invoice.paid',
    sign: (of, secret, seconds) =>
      withHeaders(of, { 'stripe-signature': `t=${seconds},v1=${hmac(secret, `${seconds}.${of.text}`)},v0=00` }),
  },
  slack: {
    id: 'Ev0RECORDED',
    event: 'app_mention',
    mapping: '{ "text": payload.event.text }',
    text: '<@U0BOT> deploy the site',
    sign: (of, secret, seconds) =>
      withHeaders(of, {
        'x-slack-request-timestamp': String(seconds),
        'x-slack-signature': `v0=${hmac(secret, `v0:${seconds}:${of.text}`)}`,
      }),
  },
  linear: {
    id: '234d1a4e-b617-4388-90fe-adc3633d6b72',
    event: 'Issue',
    mapping: '{ "text": payload.action & " " & payload.data.identifier }',
    text: 'create WEB-42',
    sign: (of, secret, seconds) => {
      const text = of.text.replace(/"webhookTimestamp":\d+/, `"webhookTimestamp":${seconds * 1000}`)
      return { ...withHeaders(of, { 'linear-signature': hmac(secret, text) }), text }
    },
    rename: (of) => withHeaders(of, { 'linear-delivery': 'another' }),
  },
}

describe.each(Object.keys(senders) as Sender[])('a delivery of %s', (sender) => {
  const recorded = recordedDeliveries[sender]
  const { id, event, mapping, text, sign, rename } = senders[sender]
  const seconds = () => Math.floor(Date.now() / 1000)
  const signed = (secret = recorded.secret, at = seconds()) => sign(recorded, secret, at)

  const made = async (): Promise<{ hook: Body; task: string }> => {
    jetty.leaks.remember(`the signing secret of ${sender}`, recorded.secret)
    const task = await jetty.task(echoing)
    return { hook: await hooks.create({ task, sender, mapping, secret: recorded.secret }), task }
  }
  const send = (hook: Body, of: RecordedDelivery): Promise<Received> => post(hook.url, of.text, of.headers)

  it('starts one run, however often the service sends it', async () => {
    const { hook, task } = await made()
    const now = seconds()
    const first = await send(hook, signed(recorded.secret, now))
    expect(first).toMatchObject({ status: 200, body: { state: 'waiting', duplicate: false } })
    const [delivery, ...others] = (await hooks.settled(hook.name)) as [Body]
    expect([delivery, others]).toEqual([
      expect.objectContaining({ number: first.body.delivery, id, event, state: 'started' }),
      [],
    ])
    const run = await jetty.until(task, delivery.trajectory_id, ({ ended }) => ended !== null)
    expect(run.steps.echo.outputs.text).toBe(text)
    // A service that has seen no answer sends it again, signed at another time.
    for (const later of [now, now - 1]) {
      expect(await send(hook, signed(recorded.secret, later))).toEqual({
        status: 200,
        body: {
          state: 'started',
          delivery: delivery.number,
          duplicate: true,
          trajectory_id: delivery.trajectory_id,
        },
      })
    }
    expect(await hooks.settled(hook.name)).toHaveLength(1)
  })

  it('with a wrong or missing signature is refused, counted, and not stored', async () => {
    const { hook } = await made()
    const right = signed()
    const names = Object.keys(right.headers).filter((name) => name.includes('signature'))
    const without = Object.fromEntries(Object.entries(right.headers).filter(([name]) => !names.includes(name)))
    const wrong: [string, RecordedDelivery][] = [
      ['does not fit the body', signed('another-signing-key')],
      ['does not fit the body', { ...right, text: `${right.text} ` }],
      ['does not fit the body', { ...right, text: right.text.replace(/acme/i, 'evil') }],
      ['has no signature', { ...right, headers: without }],
    ]
    for (const [why, of] of wrong) {
      const { status, body } = await send(hook, of)
      expect([status, body.detail]).toEqual([401, expect.stringContaining(why)])
    }
    expect(await hooks.deliveries(hook.name)).toEqual([])
    const refused = async () => (await jetty.call('GET', `/api/v1/hooks/acme/${hook.name}`)).body.refused
    await expect.poll(refused).toBe(wrong.length)
  })

  it('that somebody has overheard starts nothing when it is replayed', async () => {
    const { hook } = await made()
    const right = signed()
    expect((await send(hook, right)).status).toBe(200)
    if (rename) {
      const { status, body } = await send(hook, rename(right))
      expect([status, body.detail]).toEqual([401, expect.stringContaining('under another delivery id')])
    }
    // As it was recorded, months ago. GitHub signs no time: there its bytes are known.
    const late = await send(hook, recorded)
    expect(late).toMatchObject(
      sender === 'github'
        ? { status: 200, body: { duplicate: true } }
        : { status: 401, body: { detail: expect.stringContaining('It was signed more than') } },
    )
    expect(await hooks.settled(hook.name)).toHaveLength(1)
  })
})

it('of Slack that tries the URL is answered with its challenge', async () => {
  const { secret, headers } = recordedDeliveries.slack
  const hook = await hooks.create({ task: await jetty.task(echoing), sender: 'slack', secret })
  const text = JSON.stringify({ token: 'XXYYZZ', challenge: '3eZbrw1aBm2rZgRNFdxV2595E9', type: 'url_verification' })
  const of = senders.slack.sign({ ...recordedDeliveries.slack, text, headers }, secret, Math.floor(Date.now() / 1000))
  expect(await post(hook.url, of.text, of.headers)).toMatchObject({
    status: 200,
    body: { challenge: '3eZbrw1aBm2rZgRNFdxV2595E9' },
  })
  expect(await hooks.deliveries(hook.name)).toEqual([])
})
