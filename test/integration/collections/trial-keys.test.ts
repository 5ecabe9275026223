import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { lentKeyPlaceholder } from '../../../src/model/collections/trial.ts'
import { completion, type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const lentOpenAi = 'sk-lent-unmistakable-4f1c9a7be2'
const lentGemini = 'gm-lent-unmistakable-81d05ce3f4'
const ownOpenAi = 'sk-own-unmistakable-27ab90d1c5'
const notActive = 'Trial is not active for this collection'

let jetty: TestServer
let fake: FakeOpenAi
let task: string
const saying = { step_configs: { say: { activity: 'text_echo', text: 'x' } }, steps: ['say'] }
const asking = {
  step_configs: { ask: { activity: 'litellm_chat', model: 'gpt-4o-mini', prompt: 'Hi' } },
  steps: ['ask'],
}

const set = (environment_variables: Record<string, string | null>) =>
  jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })

const run = (route: string, fields: Record<string, unknown>, name = task) => {
  const form = new FormData()
  for (const [field, value] of Object.entries(fields)) form.append(field, String(value))
  return jetty.call('POST', `/api/v1/${route}/acme/${name}`, form)
}

const countRuns = async () => (await jetty.call('GET', `/api/v1/db/trajectories/acme/${task}`)).body.total
const trial = async (): Promise<Body> => (await jetty.call('GET', '/api/v1/trial/acme')).body
const activate = () => jetty.call('POST', '/api/v1/trial/acme/activate')
const query = (text: string) => jetty.server.database.query(text)

describe('a server that lends nothing', () => {
  beforeAll(async () => {
    jetty = await startTestServer()
    task = await jetty.task({
      ...asking,
      step_configs: { ask: { ...asking.step_configs.ask, model: 'scripted/echo' } },
    })
  })
  afterAll(() => jetty?.close())

  test('refuses a run that asks for trial keys where the collection has no provider key of its own', async () => {
    await set({ SLACK_TOKEN: 'x', MY_OPENAI_API_KEY: 'x' })
    for (const route of ['run', 'run-sync']) {
      for (const flag of ['true', '1', 'YES', 'on']) {
        const answer = await run(route, { use_trial_keys: flag })
        expect([flag, answer.status, answer.body.detail]).toEqual([flag, 403, notActive])
        expect(answer.body.hint).toMatch(/JETTY_TRIAL_KEYS.*Add your own API keys/)
      }
      const answer = await run(route, { use_trial_keys: 'maybe' })
      expect([answer.status, answer.body.detail[0].loc]).toEqual([422, ['body', 'use_trial_keys']])
    }
    expect(await countRuns()).toBe(0)
  })

  test('ignores the flag where no step can ask a model', async () => {
    const answer = await run('run-sync', { use_trial_keys: true }, await jetty.task(saying))
    expect(answer.body).toMatchObject({ status: 'completed', trial: null })
  })

  test('ignores the flag where the collection has one', async () => {
    for (const name of [
      'OPENROUTER_API_KEY',
      'OPENAI_API_KEY',
      'ANTHROPIC_API_KEY',
      'GEMINI_API_KEY',
      'GOOGLE_API_KEY',
      'REPLICATE_API_TOKEN',
      'AWS_BEARER_TOKEN_BEDROCK',
    ]) {
      await set({ [name]: 'a key' })
      for (const route of ['run', 'run-sync']) {
        const answer = await run(route, { use_trial_keys: true })
        expect([name, answer.status]).toEqual([name, 200])
        if (route === 'run') expect(answer.body).not.toHaveProperty('trial')
        else expect(answer.body).toMatchObject({ status: 'completed', trial: null })
      }
      await set({ [name]: null })
      expect((await run('run', { use_trial_keys: true })).status).toBe(403)
    }
    expect(await countRuns()).toBe(14)
  })

  test('asks nothing of the collection without the flag', async () => {
    for (const flag of ['false', '0', 'no', 'OFF', ''])
      expect((await run('run', { use_trial_keys: flag })).status).toBe(200)
  })
})

describe('a server that lends keys', () => {
  beforeAll(async () => {
    fake = await startFakeOpenAi()
    jetty = await startTestServer({
      env: {
        JETTY_TRIAL_KEYS: 'OPENAI_API_KEY, GEMINI_API_KEY',
        OPENAI_API_KEY: lentOpenAi,
        GEMINI_API_KEY: ` ${lentGemini}\n`,
        ANTHROPIC_API_KEY: 'not-lent-unmistakable-11',
        OPENAI_BASE_URL: fake.url,
        GEMINI_BASE_URL: `${fake.url}/gemini`,
        JETTY_ALLOW_PRIVATE_NETWORK: `localhost:${fake.port}`,
      },
    })
    task = await jetty.task(asking)
  })
  afterAll(async () => {
    await jetty?.close()
    await fake?.close()
  })
  beforeEach(() => activate())
  afterEach(async () => {
    fake.asked.length = 0
    await query('delete from trials')
    await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: null })
  })

  const lending = { use_trial_keys: true }
  const bearers = () => fake.asked.map(({ headers }) => headers.authorization)
  const runOf = async (config: Record<string, unknown>, fields: Record<string, unknown> = lending): Promise<Body> =>
    (await run('run-sync', fields, await jetty.task({ step_configs: { ask: config }, steps: ['ask'] }))).body

  test('begins the trial of a collection with the first run that needs it', async () => {
    await query('delete from trials')
    const saidNothing = await run('run-sync', lending, await jetty.task(saying))
    expect([saidNothing.body.status, saidNothing.body.trial, (await trial()).status]).toEqual([
      'completed',
      null,
      'inactive',
    ])
    const first = await run('run-sync', lending)
    expect(first.body).toMatchObject({ status: 'completed', trial: { runs_used: 1, runs_remaining: 9 } })
    expect(await trial()).toMatchObject({ active: true, runs_used: 1 })
    expect(bearers()).toEqual([`Bearer ${lentOpenAi}`])
  })

  test('begins none for a collection with a key of its own', async () => {
    await query('delete from trials')
    await set({ OPENAI_API_KEY: ownOpenAi })
    expect((await run('run-sync', lending)).body).toMatchObject({ status: 'completed', trial: null })
    expect((await trial()).status).toBe('inactive')
  })

  test('begins a trial once, whatever comes as the body', async () => {
    await query('delete from trials')
    expect(await trial()).toEqual({
      active: false,
      status: 'inactive',
      runs_used: 0,
      runs_limit: 10,
      runs_remaining: 0,
      minutes_used: 0,
      minutes_limit: 60,
      minutes_remaining: 0,
      activated_at: null,
      expires_at: null,
      providers: ['OPENAI_API_KEY', 'GEMINI_API_KEY'],
    })
    const first = await jetty.call('POST', '/api/v1/trial/acme/activate', '')
    expect([first.status, first.body]).toEqual([
      200,
      {
        active: true,
        status: 'active',
        runs_used: 0,
        runs_limit: 10,
        runs_remaining: 10,
        minutes_used: 0,
        minutes_limit: 60,
        minutes_remaining: 60,
        activated_at: expect.stringMatching(/^\d{4}-.*Z$/),
        expires_at: expect.any(String),
        providers: ['OPENAI_API_KEY', 'GEMINI_API_KEY'],
      },
    ])
    expect(Date.parse(first.body.expires_at) - Date.parse(first.body.activated_at)).toBe(14 * 86_400_000)
    expect((await activate()).body).toEqual(first.body)
    expect(await trial()).toEqual(first.body)
  })

  test('fills a missing key, counts the run, and says what is left', async () => {
    const synchronous = await run('run-sync', lending)
    const left = { runs_used: 1, runs_limit: 10, runs_remaining: 9, minutes_remaining: 60 }
    expect(synchronous.body).toMatchObject({ status: 'completed', trial: left, trajectory: { trial: left } })
    const started = await run('run', lending)
    expect(started.body.trial).toEqual({ runs_used: 2, runs_limit: 10, runs_remaining: 8, minutes_remaining: 60 })
    const ended = await jetty.until(task, started.body.trajectory_id, ({ status }) => status === 'completed')
    expect(ended.trial).toEqual(started.body.trial)
    const { trajectories } = (await jetty.call('GET', `/api/v1/db/trajectories/acme/${task}?limit=2`)).body
    expect(trajectories.map((one: Body) => one.trial)).toEqual([ended.trial, ended.trial])
    expect(bearers()).toEqual([`Bearer ${lentOpenAi}`, `Bearer ${lentOpenAi}`])
    expect(await trial()).toMatchObject({ active: true, runs_used: 2, minutes_used: 0 })
  })

  test('lends nothing without the flag, and nothing that it was not told to lend', async () => {
    const without = await run('run-sync', {})
    expect([without.status, without.body.status, without.body.error]).toEqual([
      200,
      'failed',
      expect.stringContaining('set OPENAI_API_KEY'),
    ])
    const other = await runOf({ activity: 'litellm_chat', model: 'claude-sonnet-4-6', prompt: 'Hi' })
    expect([other.error, other.trial]).toEqual([expect.stringContaining('cannot be served'), null])
    expect(await trial()).toMatchObject({ runs_used: 0 })
    expect(fake.asked).toEqual([])
  })

  test('sends a key under whichever name it is asked for, to its provider alone', async () => {
    const chat = { activity: 'litellm_chat', model: 'gpt-4o-mini', prompt: 'Hi' }
    expect((await runOf({ ...chat, api_key_path: 'env.OPENAI_API_KEY' })).status).toBe('completed')
    expect((await runOf({ ...chat, model: 'gemini-2.5-flash' })).status).toBe('completed')
    expect(bearers()).toEqual([`Bearer ${lentOpenAi}`, `Bearer ${lentGemini}`])
    fake.asked.length = 0

    const url = `http://localhost:${fake.port}/elsewhere`
    const sent = await runOf({ activity: 'webhook_notify', url, payload_path: { key: 'env.OPENAI_API_KEY' } })
    expect([sent.status, fake.asked[0]?.body]).toEqual(['completed', { key: lentKeyPlaceholder }])
    const shown = await runOf({ activity: 'text_echo', text_path: 'env.GEMINI_API_KEY' })
    expect([shown.status, shown.steps.ask.outputs.text]).toEqual(['completed', '***'])
  })

  test.each([{}, { OPENAI_API_KEY: lentKeyPlaceholder }])(
    'sends no lent key to an address that the collection chose: %j',
    async (variables) => {
      const url = `http://localhost:${fake.port}/theirs`
      await set({ ...variables, OPENAI_BASE_URL: url })
      const refused = await run('run-sync', lending)
      expect([refused.body.status, refused.body.error]).toEqual(['failed', expect.stringContaining('OPENAI_API_KEY')])
      expect(fake.asked).toEqual([])
    },
  )

  test('gives nothing to somebody who writes the placeholder himself', async () => {
    await run('run-sync', { secret_params: JSON.stringify({ OPENAI_API_KEY: lentKeyPlaceholder }) })
    await set({ OPENAI_API_KEY: lentKeyPlaceholder })
    await run('run-sync', {})
    expect(bearers().join()).not.toContain(lentOpenAi)
  })

  test('strikes a lent key out of what a provider says', async () => {
    fake.script({ body: completion('gpt-4o-mini', `Your key is ${lentOpenAi}, and in base64 it is longer.`) })
    const told = (await run('run-sync', lending)).body
    expect(told.steps.ask.outputs.text).toBe('Your key is ***, and in base64 it is longer.')
    fake.script({ status: 401, body: { error: { message: `No such key: ${lentOpenAi}` } } })
    const refused = (await run('run-sync', lending)).body
    expect(refused.error).toContain('No such key: ***')
  })

  test('fills what is missing and nothing else; who has all keys uses no trial', async () => {
    await set({ OPENAI_API_KEY: ownOpenAi })
    const partly = (await run('run-sync', lending)).body
    expect([partly.trial.runs_used, bearers()]).toEqual([1, [`Bearer ${ownOpenAi}`]])
    await set({ GOOGLE_API_KEY: 'another-name-unmistakable-5' }) // the same provider under another name
    expect((await run('run-sync', lending)).body.trial).toBeNull()
    await set({ OPENAI_API_KEY: '  ', GOOGLE_API_KEY: null }) // nothing but space is no key
    const own = { ...lending, secret_params: JSON.stringify({ OPENAI_API_KEY: ownOpenAi, GEMINI_API_KEY: 'mine-11' }) }
    expect((await run('run-sync', own)).body.trial).toBeNull()
    expect(await trial()).toMatchObject({ runs_used: 1 })
  })

  test('refuses when the runs are used up, until the collection has a key of its own', async () => {
    for (let used = 1; used <= 10; used++) expect((await run('run', lending)).body.trial.runs_used).toBe(used)
    for (const route of ['run', 'run-sync']) {
      const refused = await run(route, lending)
      expect([refused.status, refused.body.detail]).toEqual([
        403,
        expect.stringMatching(/^Trial limit reached: 10 of 10 runs used\. Add your own API keys .*OPENAI_API_KEY/),
      ])
    }
    expect(await trial()).toMatchObject({ active: false, status: 'exhausted', runs_remaining: 0 })
    expect((await activate()).body.detail).toBe('Trial already used')
    await set({ OPENAI_API_KEY: ownOpenAi })
    const own = await run('run', lending)
    expect([own.status, own.body.trial]).toEqual([200, undefined])
  })

  test('counts the minutes of runs that have ended', async () => {
    const first = (await run('run-sync', lending)).body
    const stretch = async (minutes: number) => {
      await query(`update runs set created_at = ended_at - interval '${minutes} minutes'
                   where trajectory_id = '${first.trajectory_id}'`)
      await query('update trial_runs set seconds = null') // where they had been counted meanwhile
    }
    await stretch(59.5)
    const second = (await run('run-sync', lending)).body
    expect(second.trial).toEqual({ runs_used: 2, runs_limit: 10, runs_remaining: 8, minutes_remaining: 1 })
    expect(await trial()).toMatchObject({ active: true, minutes_used: 59, minutes_remaining: 1 })
    await stretch(61)
    expect(await trial()).toMatchObject({ active: false, status: 'exhausted', minutes_used: 61, minutes_remaining: 0 })
    const refused = await run('run', lending)
    expect([refused.status, refused.body.detail]).toEqual([
      403,
      expect.stringMatching(/^Trial limit reached: 61 of 60 minutes used\. Add your own API keys /),
    ])
    expect((await activate()).status).toBe(400)
  })

  test('lends nothing after the trial has expired', async () => {
    await query(`update trials set activated_at = now() - interval '14 days 1 minute'`)
    expect(await trial()).toMatchObject({ active: false, status: 'expired', runs_remaining: 0, minutes_remaining: 0 })
    const refused = await run('run', lending)
    expect([refused.status, refused.body.detail]).toEqual([403, notActive])
    expect(refused.body.hint).toMatch(/expired at \d{4}-.*OPENAI_API_KEY/)
    const again = await activate()
    expect([again.status, again.body.detail]).toEqual([400, 'Trial already used'])
  })

  test('forgets a trial with its collection', async () => {
    await jetty.call('POST', '/api/v1/collections', { name: 'short' })
    expect((await jetty.call('POST', '/api/v1/trial/short/activate')).body.active).toBe(true)
    expect((await jetty.call('DELETE', '/api/v1/collections/short')).status).toBeLessThan(300)
    expect(await query('select 1 from trials')).toHaveLength(1)
  })
})
