// What a definition says in vain: runs that would do something else do not begin, and lenient activities say so.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
})
afterAll(() => jetty?.close())

const run = (config: Body): Promise<Body> => jetty.run({ step_configs: { a: config }, steps: ['a'] })
const echo = { activity: 'text_echo', text: 'x' }

describe('a run does not begin', () => {
  it.each<[string, Body, RegExp]>([
    [
      'with a tool that wants an approval',
      { activity: 'litellm_chat', prompt: 'x', tools: [{ activity: 'http_request', requires_approval: true }] },
      /unknown member 'requires_approval'/,
    ],
    [
      'with a misspelt filter of a request',
      { activity: 'http_request', url: 'https://example.com', method: 'DELETE', qurey: { id: 1 } },
      /unknown parameter 'qurey'; did you mean 'query'\?/,
    ],
    ['with a time limit that is a text', { activity: 'sleep', seconds: 1, timeout_sec: '2s' }, /timeout_sec must be/],
  ])('%s', async (_, config, error) => {
    const done = await run(config)
    expect([done.status, done.error, done.steps]).toEqual(['failed', expect.stringMatching(error), {}])
  })
})

describe('an activity of the hosted service goes on, with a warning', () => {
  it.each<[string, Body, RegExp]>([
    ['without an unknown parameter', { ...echo, txet: 'y' }, /unknown parameter 'txet'/],
    ['without a time limit that is below 0', { ...echo, timeout_sec: -1 }, /timeout_sec must be .* not -1/],
    ['without an unknown option', { ...echo, options: { retries: 3 } }, /unknown key 'retries' in options/],
  ])('%s', async (_, config, warning) => {
    const done = await run(config)
    expect([done.status, done.error]).toEqual(['completed', null])
    expect(done.steps.a.logs).toMatchObject([{ message: expect.stringMatching(warning) }])
  })
})

it('the API stores a definition with faults, and answers them', async () => {
  const workflow = { step_configs: { a: { ...echo, txet: 'y' } }, steps: ['a'], retries: 3 }
  const stored = await jetty.call('POST', '/api/v1/tasks/acme', { name: 'faulty', workflow })
  expect([stored.status, stored.body.warnings]).toMatchObject([
    201,
    [
      { severity: 'error', field: 'workflow.retries' },
      { severity: 'error', field: 'workflow.step_configs.a.txet', did_you_mean: 'text' },
    ],
  ])
})
