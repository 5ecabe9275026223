// Rows 25 to 29 of the skill page, and what the SDK, the MCP server and the set-up script do about a trial.
import { afterAll, beforeAll, expect } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import type { Body } from '../server.ts'
import { type Client, type CompatServer, type FormPart, startCompatServer } from './client.ts'
import { test } from './promise.ts'

const providerKeys = ['OPENAI_API_KEY', 'ANTHROPIC_API_KEY', 'GEMINI_API_KEY', 'REPLICATE_API_TOKEN']

let server: CompatServer
let client: Client
let fake: FakeOpenAi

beforeAll(async () => {
  fake = await startFakeOpenAi()
  server = await startCompatServer({
    JETTY_TRIAL_KEYS: 'OPENAI_API_KEY',
    OPENAI_API_KEY: 'sk-lent-unmistakable-6b0f42',
    OPENAI_BASE_URL: fake.url,
  })
  client = server.client
  const ask = { activity: 'litellm_chat', model: 'gpt-4o-mini', prompt: 'Hi' }
  await client.json('POST', '/api/v1/tasks/acme', {
    name: 'ask',
    description: '',
    workflow: { init_params: {}, step_configs: { ask }, steps: ['ask'] },
  })
})
afterAll(async () => {
  await server?.close()
  await fake?.close()
})

const get = async (path: string): Promise<Body> => (await client.send('GET', path)).body
const setKey = (value: string | null) =>
  client.json('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { GEMINI_API_KEY: value } })

/** The check of the skill page: is one of four names among the variables of the collection? */
const hasKeys = async (): Promise<boolean> => {
  const { environment_variables: variables } = await get('/api/v1/collections/acme')
  return providerKeys.some((name) => Object.hasOwn(variables, name))
}

const run = async (path: string, more: FormPart[] = []): Promise<Body> =>
  (await client.form(path, [{ name: 'init_params', content: '{}' }, ...more])).body
const onTrial: FormPart[] = [{ name: 'use_trial_keys', content: 'true' }]

/** The display of the skill page. */
const displayed = ({ trial }: Body): string =>
  trial ? `Trial run ${trial.runs_used}/${trial.runs_limit} -- ${trial.minutes_remaining} minutes remaining` : ''

test('row 25: GET /trial/{c} says under active whether there is a trial, before and after it is activated', async () => {
  expect((await get('/api/v1/trial/acme')).active).toBe(false)
  expect((await client.send('POST', '/api/v1/trial/acme/activate')).status).toBe(200)
  expect((await get('/api/v1/trial/acme')).active).toBe(true)
})

test('row 26: environment_variables of the collection tell whether it has one of four provider keys', async () => {
  expect(await hasKeys()).toBe(false)
  await setKey('gm-own-unmistakable-3')
  expect(await hasKeys()).toBe(true)
  await setKey(null)
  expect(await hasKeys()).toBe(false)
})

test('row 27: with an active trial and no key, use_trial_keys=true makes the run go through', async () => {
  const alone = await run('/api/v1/run-sync/acme/ask')
  expect([alone.status, alone.error]).toEqual(['failed', expect.stringContaining('set OPENAI_API_KEY')])
  const lent = await run('/api/v1/run-sync/acme/ask', onTrial)
  expect([lent.status, lent.steps.ask.outputs.text]).toEqual(['completed', 'You said: Hi'])
})

test('row 28: the answer to a run carries the trial, and the line for people follows from it', async () => {
  const started = await run('/api/v1/run/acme/ask', onTrial)
  expect(started.trial).toEqual({ runs_used: 2, runs_limit: 10, runs_remaining: 8, minutes_remaining: 60 })
  expect(displayed(started)).toBe('Trial run 2/10 -- 60 minutes remaining')
  expect(displayed(await run('/api/v1/run-sync/acme/ask', onTrial))).toBe('Trial run 3/10 -- 60 minutes remaining')
  expect(displayed(await run('/api/v1/run/acme/ask'))).toBe('')
})

test('jetty-setup: activate says active and runs_remaining, with an empty body of type JSON', async () => {
  const headers = { 'content-type': 'application/json' }
  const { status, body } = await client.send('POST', '/api/v1/trial/acme/activate', { headers })
  expect([status, body.active, body.status, body.runs_remaining]).toEqual([200, true, 'active', 7])
})

test('getTrialStatus and activateTrial of the SDK: the same object, and the providers by name alone', async () => {
  const status = await get('/api/v1/trial/acme')
  expect((await client.send('POST', '/api/v1/trial/acme/activate')).body).toEqual(status)
  expect(status).toMatchObject({ runs_used: 3, minutes_limit: 60, providers: ['OPENAI_API_KEY'] })
})

test('run-workflow and run-workflow-sync of the MCP server: no trial, an own key, neither', async () => {
  const runWorkflow = async (path: string) => {
    const { active } = await get('/api/v1/trial/acme')
    if (!active) return { trial_active: false, result: await run(path) }
    const names = Object.keys(await get('/api/v1/collections/acme/environment'))
    const isLent = !providerKeys.some((name) => names.includes(name))
    return { using_trial_keys: isLent, result: await run(path, isLent ? onTrial : []) }
  }
  for (const path of ['/api/v1/run/acme/ask', '/api/v1/run-sync/acme/ask']) {
    const lent = await runWorkflow(path)
    expect([lent.using_trial_keys, lent.result.trial.runs_limit]).toEqual([true, 10])
    await setKey('gm-own-unmistakable-4')
    const own = await runWorkflow(path)
    expect([own.using_trial_keys, own.result.trial ?? null]).toEqual([false, null])
    await setKey(null)
  }
})

test('row 29: a client can warn at two remaining runs, and what comes after the last says to add own keys', async () => {
  const remaining: number[] = []
  for (let used = 6; used <= 10; used++) {
    remaining.push((await run('/api/v1/run/acme/ask', onTrial)).trial.runs_remaining)
  }
  expect(remaining).toEqual([4, 3, 2, 1, 0])
  const { status, body } = await client.form('/api/v1/run/acme/ask', onTrial)
  expect([status, body.detail]).toEqual([403, expect.stringContaining('10 of 10 runs used. Add your own API keys')])
  expect(await get('/api/v1/trial/acme')).toMatchObject({ active: false, status: 'exhausted', runs_remaining: 0 })
  expect((await client.send('POST', '/api/v1/trial/acme/activate')).body.detail).toBe('Trial already used')
})
