// A receiver of a collection that wants to hear of failures only, as a text for a chat, at an address that is a secret.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Delivering, startDelivering, until } from './delivering.ts'

const failing = {
  step_configs: { read: { activity: 'text_echo', text_path: 'init_params.nothing' } },
  steps: ['read'],
}

let hooks: Delivering
let broken: string
beforeAll(async () => {
  hooks = await startDelivering()
  broken = await hooks.jetty.task(failing)
})
afterAll(() => hooks?.close())

const setReceiver = async (webhook: object | null): Promise<{ status: number; body: unknown }> =>
  hooks.jetty.call('PATCH', '/api/v1/collections/acme/settings', { webhook })

const setVariable = (value: string) =>
  hooks.jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { CHAT_URL: value } })

test('hears of a failed run only, in a line with the reason and the address of the run', async () => {
  const receiver = await hooks.receive()
  await setVariable(`${receiver.url}/T0/secret-part`)
  const set = await setReceiver({ url_variable: 'CHAT_URL', statuses: ['failed'], format: 'text' })
  expect([set.status, set.body]).toEqual([
    200,
    expect.objectContaining({
      webhook: { url: null, url_variable: 'CHAT_URL', secret_variable: null, statuses: ['failed'], format: 'text' },
    }),
  ])

  const good = await hooks.start({})
  const bad = await hooks.start({}, broken)
  const told = await hooks.settled(bad, broken)
  expect(told).toMatchObject({ state: 'delivered', webhook_url: '***' })
  const [{ body, path } = { body: '', path: '' }] = receiver.of(bad)
  const { text, ...others } = JSON.parse(String(body))
  expect([path, others]).toEqual(['/T0/secret-part', {}])
  const [line, address] = text.split('\n')
  expect(line).toMatch(new RegExp(`^acme/${broken}/${bad} failed: Step 'read' failed: .*init_params.nothing`))
  expect(address).toBe(`${hooks.jetty.url}/acme/${broken}/${bad}`)

  const left = await until(
    () => hooks.deliveries(good),
    (one) => one.state !== 'pending' && one.state !== 'waiting',
  )
  expect(left).toMatchObject({ state: 'skipped', deliveries: [] })
  expect(receiver.of(good)).toHaveLength(0)
})

test('a run that names a receiver itself tells it of any end, with its document', async () => {
  const chat = await hooks.receive()
  await setVariable(chat.url)
  await setReceiver({ url_variable: 'CHAT_URL', statuses: ['failed'], format: 'text' })
  const own = await hooks.receive()
  const id = await hooks.start({ webhook_url: own.url })
  expect(await hooks.settled(id)).toMatchObject({ state: 'delivered' })
  expect(JSON.parse(String(own.of(id)[0]?.body))).toMatchObject({ trajectory_id: id, status: 'completed' })
  expect(chat.of(id)).toHaveLength(0)
})

test.each([
  [{ url: 'https://example.com/x', url_variable: 'CHAT_URL' }, /Set url or url_variable, not both/],
  [{ url: 'https://example.com/x', statuses: [] }, /statuses/],
  [{ url: 'https://example.com/x', statuses: ['done'] }, /completed/],
])('%j is refused', async (webhook, why) => {
  const { status, body } = await setReceiver(webhook)
  expect([status, JSON.stringify(body)]).toEqual([422, expect.stringMatching(why)])
})

test('without the variable no receiver is told, and the run is as any other', async () => {
  await setReceiver({ url_variable: 'NO_SUCH_VARIABLE' })
  const id = await hooks.start({})
  expect(
    await until(
      () => hooks.deliveries(id),
      (one) => one.state !== 'waiting',
    ),
  ).toMatchObject({ state: 'none' })
})
