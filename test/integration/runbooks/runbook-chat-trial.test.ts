// Chats that ask for a runbook on keys which the server lends: they are counted as runs, and say what is left.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeFakeRunbooks } from '../../fakes/runbooks.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { allOf, openChat } from '../gateway/chat-stream.ts'

const lent = 'sk-lent-unmistakable-chats-91'

const runbooks = makeFakeRunbooks()
let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({
    runbooks,
    env: { JETTY_TRIAL_KEYS: 'OPENAI_API_KEY', OPENAI_API_KEY: lent, JETTY_TRIAL_COLLECTIONS: '1' },
  })
})
afterAll(() => jetty?.close())

const chat = (task: string, block: Body = {}) =>
  jetty.call('POST', '/v1/chat/completions', {
    messages: [{ role: 'system', content: '# Work\n' }],
    jetty: { collection: 'acme', task, use_trial_keys: true, ...block },
  })
const used = async (): Promise<number> => (await jetty.call('GET', '/api/v1/trial/acme')).body.runs_used

test('without a trial it is refused where all are taken, and neither task nor run comes of it', async () => {
  await jetty.call('POST', '/api/v1/collections/', { name: 'sooner' })
  await jetty.call('POST', '/api/v1/trial/sooner/activate')
  const { status, body } = await chat('none')
  expect([status, body.error.message, body.hint]).toEqual([
    403,
    'Trial is not active for this collection',
    expect.stringContaining('JETTY_TRIAL_COLLECTIONS allows (1)'),
  ])
  expect((await jetty.call('GET', '/api/v1/tasks/acme/none')).status).toBe(404)
  await jetty.server.database.query('delete from trials')
})

test('in a trial it is one run of it, with what is left in the answer, in one piece or as a stream', async () => {
  await jetty.call('POST', '/api/v1/trial/acme/activate')
  const { status, body } = await chat('whole')
  expect([status, body.jetty_metadata.trial]).toEqual([200, expect.objectContaining({ runs_used: 1 })])
  const more = {
    messages: [{ role: 'system', content: '# Work\n' }],
    jetty: { collection: 'acme', task: 'streamed', use_trial_keys: true },
  }
  const chunks = await allOf((await openChat(jetty, 'streamed', { more })).chunks)
  expect(chunks[0]?.data.jetty_metadata.trial).toMatchObject({ runs_used: 2 })
  expect(chunks.at(-2)?.data.jetty_metadata).toMatchObject({ status: 'completed', trial: { runs_used: 2 } })
  expect(await used()).toBe(2)
})

test('what it lacks is looked for with the keys that it would be lent', async () => {
  runbooks.lookedAt.length = 0
  await chat('looked-at')
  expect(runbooks.lookedAt.length).toBeGreaterThan(0)
  for (const { place } of runbooks.lookedAt) expect(place.lent?.('OPENAI_API_KEY')).toBe(true)
})

test('the key itself is nowhere: not for the agent to print, and not in the run', async () => {
  runbooks.work = async (_, host) => ({ text: `It is ${host.caller.env('OPENAI_API_KEY')}` })
  const { body } = await chat('printing')
  const { body: run } = await jetty.call('GET', body.jetty_metadata.poll_url)
  expect(JSON.stringify([body, run])).not.toContain(lent)
})

test('who does not ask for lent keys gets none, and is not counted', async () => {
  const before = await used()
  const { body } = await chat('own', { use_trial_keys: false })
  expect(body.jetty_metadata.trial).toBeUndefined()
  expect(await used()).toBe(before)
})
