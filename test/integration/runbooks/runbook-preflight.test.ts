// POST /runbooks/preflight and /runbooks/validate: whose keys, secrets and files are looked at, and by whom they may be.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { makeFakeRunbooks } from '../../fakes/runbooks.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const own = 'sk-own-unmistakable-preflight-1'
const lent = 'sk-lent-unmistakable-preflight-2'

const runbooks = makeFakeRunbooks()
let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ runbooks, env: { JETTY_TRIAL_KEYS: 'ANTHROPIC_API_KEY', ANTHROPIC_API_KEY: lent } })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { OWN: own } })
  await jetty.call('POST', '/api/v1/collections/', { name: 'other' })
})
afterAll(() => jetty?.close())
beforeEach(() => {
  runbooks.lookedAt.length = 0
  runbooks.wrong = {}
})

const look = (more: Body = {}, token?: string) =>
  jetty.call('POST', '/api/v1/runbooks/preflight', { collection: 'acme', content: '# Work\n', ...more }, token)
const place = () => {
  const found = runbooks.lookedAt.at(-1)
  if (!found) throw new Error('nothing was looked at')
  return found.place
}
const keyFor = async (collection: string, access: 'READ' | 'WRITE' = 'READ'): Promise<string> => {
  const fields = { name: `${access} ${collection}`, collection_name: collection, access_level: access }
  return (await jetty.call('POST', '/api/v1/api-keys', fields)).body.api_key
}

test('looks with the variables of the collection, and starts nothing', async () => {
  const { status, body } = await look({ agent: 'codex', timeout_sec: 60 })
  expect([status, body.ready]).toEqual([200, true])
  expect(runbooks.lookedAt[0]?.request).toMatchObject({ instruction: '# Work\n', agent: 'codex', timeout_sec: 60 })
  expect([place().env('OWN'), place().env('OTHER')]).toEqual([own, undefined])
  expect(runbooks.carriedOut).toEqual([])
  expect((await jetty.call('GET', '/api/v1/tasks/acme/')).body).toEqual([])
})

test('what is found wrong is in the answer, which is a 200: nothing was to be begun', async () => {
  runbooks.wrong = { key: 'OPENAI_API_KEY is not configured', files: 'a.csv is not there' }
  const { status, body } = await look()
  expect([status, body.ready]).toEqual([200, false])
  expect(body.checks.map(({ name, state, found }: Body) => [name, state, found])).toEqual([
    ['key', 'failed', 'OPENAI_API_KEY is not configured'],
    ['files', 'failed', 'a.csv is not there'],
  ])
})

test('secrets that would come with a run count by their names alone', async () => {
  await look({ secret_names: ['APIFY_API_TOKEN'] })
  expect(place().secretParams).toEqual(['APIFY_API_TOKEN'])
  expect(place().env('APIFY_API_TOKEN')).toBe('APIFY_API_TOKEN')
  await look({ secret_params: { FIRST_TOKEN: 'value-unmistakable-preflight-31' }, secret_names: ['OTHER_TOKEN'] })
  expect(place().secretParams).toEqual(['OTHER_TOKEN', 'FIRST_TOKEN'])
  expect(place().env('FIRST_TOKEN')).toBe('FIRST_TOKEN')
})

test('lent keys are there in a trial, where they are asked for', async () => {
  await look({ use_trial_keys: true })
  expect(place().lent?.('ANTHROPIC_API_KEY')).toBe(true) // its first run would begin the trial
  await jetty.call('POST', '/api/v1/trial/acme/activate')
  await look({ use_trial_keys: true })
  expect([place().env('ANTHROPIC_API_KEY') !== undefined, place().lent?.('ANTHROPIC_API_KEY')]).toEqual([true, true])
  await look()
  expect(place().env('ANTHROPIC_API_KEY')).toBeUndefined()
  expect((await jetty.call('GET', '/api/v1/trial/acme')).body.runs_used).toBe(0)
})

test('inputs are looked up by path or id, in the collection alone', async () => {
  const form = new FormData()
  form.append('collection', 'acme')
  form.append('file', new File(['x'], 'case.json'))
  const { path } = (await jetty.call('POST', '/api/v1/files/upload', form)).body
  const byId = new FormData()
  byId.append('collection', 'acme')
  byId.append('file', new File(['y'], 'more.txt'))
  const { id } = (await jetty.call('POST', '/api/v1/files', byId)).body
  const found = async (collection: string) => {
    await look({ collection, file_paths: [path, id, 'acme/no/such.txt'] })
    return Promise.all([path, id, 'acme/no/such.txt'].map((one) => place().hasFile(one)))
  }
  expect(await found('acme')).toEqual([true, true, false])
  expect(await found('other')).toEqual([false, false, false])
})

test('a key that may read is enough; that of another collection is not, nor is nobody', async () => {
  expect((await look({}, await keyFor('acme'))).status).toBe(200)
  const refused = [
    await look({}, await keyFor('other', 'WRITE')),
    await look({ collection: 'nowhere' }),
    await look({}, `mlc_${'0'.repeat(32)}`),
    await look({ content: '' }),
    await look({ cpus: -1 }),
  ]
  expect(refused.map(({ status }) => status)).toEqual([404, 404, 401, 422, 422])
  expect(refused.at(-1)?.body.detail[0].loc).toEqual(['body', 'cpus'])
})

test('validate needs no collection, and says where something is wrong', async () => {
  const content = '---\nversion: "1.0.0"\nsecrets: {a: {env: lower}}\n---\n# Work\n\nDo it.\n'
  const { status, body } = await jetty.call('POST', '/api/v1/runbooks/validate', { content }, await keyFor('other'))
  expect(status).toBe(200)
  const [error] = [...body.errors, ...body.warnings].filter(({ rule }: Body) => rule === 'R3')
  expect(error).toMatchObject({ line: 3, column: expect.any(Number), fix: expect.any(String) })
  const large = await jetty.call('POST', '/api/v1/runbooks/validate', { content: 'x'.repeat(600_000) })
  expect(large.body).toMatchObject({ valid: false, errors: [{ message: expect.stringContaining('characters') }] })
})

test('the template is a valid runbook, and its task carries it out', async () => {
  const { status, body } = await jetty.call('GET', '/api/v1/runbooks/template?title=Flood%20%20walls&evaluation=rubric')
  expect([status, body.content.includes('# Flood walls — Agent Runbook')]).toEqual([200, true])
  const verdict = await jetty.call('POST', '/api/v1/runbooks/validate', { content: body.content, level: 'strict' })
  expect(verdict.body).toMatchObject({ valid: true, level: 'strict', errors: [], warnings: [] })
  expect(verdict.body.parameters).toEqual([
    { name: 'subject', description: 'What the report is about', default: null, required: true },
  ])
  const { content, task } = body
  expect(task.workflow.init_params.instruction).toBe(content)
  const made = await jetty.call('POST', '/api/v1/tasks/acme', { name: 'floods', ...task })
  expect([made.status, made.body.warnings]).toEqual([201, []])
})
