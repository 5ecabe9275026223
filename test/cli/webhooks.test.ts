import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../server.ts'
import { startReceiver, type WebhookReceiver } from '../webhook-receiver.ts'
import { openShell, type Shell } from './shell.ts'

let jetty: TestServer
let shell: Shell
let receiver: WebhookReceiver
let status = 500
const now = Date.UTC(2030, 0, 1) // and it stays so: nothing is tried again by itself

beforeAll(async () => {
  receiver = await startReceiver((answer) => answer.writeHead(status).end())
  jetty = await startTestServer({ clock: () => now, env: { JETTY_ALLOW_PRIVATE_NETWORK: '127.0.0.1' } })
  shell = openShell(jetty.url, jetty.server.adminToken)
  const workflow = { step_configs: { say: { activity: 'text_echo', text: 'told' } }, steps: ['say'] }
  await jetty.call('POST', '/api/v1/tasks/acme', { name: 'told', workflow })
  await jetty.call('POST', '/api/v1/tasks/acme', { name: 'other', workflow })
})
afterAll(async () => {
  receiver?.close()
  shell?.close()
  await jetty?.close()
})

const run = async (args: string[], code = 0, env: Record<string, string> = {}) => {
  const ended = await shell.jetty(args, { env })
  expect(ended).toMatchObject({ code })
  return ended
}

test('a run whose webhook fails, looked at and delivered again', async () => {
  const secret = 'whsec-unmistakable-from-the-shell'
  const options = ['--webhook', receiver.url, '--webhook-secret-env', 'HOOK_SECRET', '--wait']
  await run(['run', 'acme/told', ...options], 0, { HOOK_SECRET: secret })
  jetty.leaks.remember('the webhook secret', secret)
  let seen: Body = { deliveries: [] }
  while (seen.deliveries.length === 0) {
    seen = JSON.parse((await run(['webhooks', 'deliveries', 'acme/told', '--json'])).stdout)
  }
  expect(seen).toMatchObject({ state: 'pending', deliveries: [{ status_code: 500 }] })
  const shown = await run(['webhooks', 'deliveries', 'acme/told'])
  expect(shown.stdout).toMatch(/1 .* failed +500 .* no +The receiver answered 500/)
  expect(shown.stderr).toContain('The next attempt is at')
  await run(['webhooks', 'redeliver', 'acme/told'], 1)
  status = 200
  expect((await run(['webhooks', 'redeliver', 'acme/told'])).stdout).toMatch(/delivered +200 .* yes/)
  expect(receiver.received.at(-1)?.headers['x-jetty-signature']).toMatch(/^[0-9a-f]{64}$/)
  expect((await run(['webhooks', 'deliveries', 'acme/told'])).stderr).toContain('Delivered.')
})

test('says what is missing', async () => {
  const unset = await run(['run', 'acme/told', '--webhook', receiver.url, '--webhook-secret-env', 'ABSENT'], 2)
  expect(unset.stderr).toContain('--webhook-secret-env ABSENT: the environment variable ABSENT is not set')
  const refused = await run(['run', 'acme/told', '--webhook', 'http://10.0.0.1/'], 2)
  expect(refused.stderr).toContain('JETTY_ALLOW_PRIVATE_NETWORK')
  await run(['run', 'acme/other', '--wait'])
  expect((await run(['webhooks', 'deliveries', 'acme/other'])).stderr).toContain('The run has no webhook.')
  expect((await run(['webhooks', 'redeliver', 'acme/other'], 2)).stderr).toContain('was not delivered yet')
})

test('the runs of a collection, in another order, and by what they took or wait for', async () => {
  const list = async (...options: string[]): Promise<Body[]> =>
    JSON.parse((await run(['runs', 'ls', 'acme', ...options, '--json'])).stdout)
  const newest = await list()
  expect(newest.length).toBeGreaterThan(1)
  expect(await list('--ascending')).toEqual([...newest].reverse())
  const seconds = (await list('--sort', 'duration')).map((one) => one.duration_seconds)
  expect(seconds).toEqual([...seconds].sort((one, other) => other - one))
  expect(seconds).toHaveLength(newest.length)
  expect(await list('--min-duration', '1h')).toEqual([])
  expect(await list('--max-duration', '3600')).toEqual(newest)
  expect(await list('--sort', 'cost')).toEqual([])
  expect(await list('--status', 'waiting')).toEqual([])
  const both = await run(['runs', 'ls', 'acme', '--status', 'waiting', '--status', 'failed'], 2)
  expect(both.stderr).toContain('waiting cannot be combined')
  expect((await run(['runs', 'ls', 'acme', '--sort', 'cots'], 2)).stderr).toContain('Did you mean cost?')
  await run(['runs', 'ls', 'acme', '--min-duration', 'long'], 2)
})

test('the runs of a collection, limited, as a table, as JSON and as an export', async () => {
  const all = await run(['runs', 'ls', 'acme'])
  expect(all.stdout).toMatch(/^RUN +STATUS +CREATED +DURATION +COST +MODELS +ERROR\n/)
  expect(all.stdout).toContain('told/')
  expect(all.stdout).toContain('other/')
  const some = JSON.parse((await run(['runs', 'ls', 'acme/other', '--max-cost', '1', '--json'])).stdout)
  expect(some).toEqual([])
  expect((await run(['runs', 'ls', 'acme', '--error', 'nothing like it'])).stderr).toContain('No runs of acme match.')
  const path = join(shell.home, 'runs.csv')
  await run(['runs', 'ls', 'acme', '--format', 'csv', '-o', path])
  expect(readFileSync(path, 'utf8').split('\r\n')).toHaveLength(2 + all.stdout.trimEnd().split('\n').length - 1)
  const lines = (await run(['runs', 'ls', 'acme/told', '--status', 'completed', '--format', 'jsonl'])).stdout
  expect(
    lines
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).task),
  ).toEqual(['told'])
  await run(['runs', 'ls', 'acme', '--min-cost', 'much'], 2)
  const unread = await shell.jetty(['runs', 'ls', 'acme', '--format', 'csv'], { isUnread: true })
  expect(unread).toMatchObject({ code: 0, stderr: '' })
})

test('a test goes to the receiver of the collection, or to any, as a line of text', async () => {
  status = 200
  await jetty.call('PATCH', '/api/v1/collections/acme/settings', { webhook: { url: receiver.url, format: 'text' } })
  const sent = () => JSON.parse(String(receiver.of('test').at(-1)?.body))
  expect((await run(['webhooks', 'test', 'acme'])).stdout).toContain('Delivered: the receiver answered 200')
  expect(sent()).toEqual({ text: expect.stringContaining('acme/test/test completed') })
  await run(['webhooks', 'test', 'acme', `${receiver.url}/other`])
  expect(sent()).toMatchObject({ is_test: true })
  await run(['webhooks', 'test', 'acme', `${receiver.url}/other`, '--text'])
  expect(Object.keys(sent())).toEqual(['text'])
  await jetty.call('PATCH', '/api/v1/collections/acme/settings', { webhook: null })
  expect((await run(['webhooks', 'test', 'acme'], 2)).stderr).toContain('has no receiver of its own')
})
