// A backtest over killed servers: each run and judgement once, nothing of untouched runs, no second effect.
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { pause } from '../../src/lib/time.ts'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { completion, type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import { callJetty, killJetties, startJetty } from '../jetty-process.ts'
import type { Body } from '../server.ts'

/** Reads what the servers have stored. */
const rows = async <Row>(text: string, values: unknown[]): Promise<Row[]> => {
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  try {
    return (await client.query(text, values)).rows as Row[]
  } finally {
    await client.end()
  }
}

const token = 'admin-token-of-the-experiments-test'
const untouched = 137
const changed = 40
const atOnce = 8
const kills = 3

let database: TestDatabase
let folder: string
let openai: FakeOpenAi
let hits = 0
const service = createServer((_, response) => {
  hits++
  response.end('{}')
})

beforeAll(async () => {
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', () => resolve()))
  openai = await startFakeOpenAi()
  openai.choose((body) => {
    const text = JSON.stringify(body.messages)
    const said = text.includes('impartial judge') ? '{"explanation": "So.", "score": 7}' : `It is ${text.length % 7}.`
    return { delayMs: 40, body: completion(body.model, said) }
  })
  database = await createTestDatabase()
  folder = mkdtempSync(join(tmpdir(), 'jetty-experiments-'))
})
afterAll(async () => {
  await killJetties()
  await openai?.close()
  service.close()
  await database?.drop()
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

const start = () =>
  startJetty({
    DATABASE_URL: database.url,
    JETTY_DATA_DIR: folder,
    JETTY_ADMIN_TOKEN: token,
    OPENAI_BASE_URL: openai.url,
    JETTY_ALLOW_PRIVATE_NETWORK: `127.0.0.1:${(service.address() as AddressInfo).port}`,
  })

const workflow = (tone: string): Body => ({
  init_params: { question: '', asks: true },
  step_configs: {
    asks: { activity: 'conditional_branch', condition_path: 'init_params.asks', true_step: 'answer' },
    answer: {
      activity: 'litellm_chat',
      model: 'gpt-4o-mini',
      system_prompt: `Answer ${tone}.`,
      prompt_path: 'init_params.question',
    },
    tell: {
      activity: 'http_request',
      method: 'POST',
      url: `http://127.0.0.1:${(service.address() as AddressInfo).port}/told`,
      body: { question_path: 'init_params.question' },
    },
  },
  steps: ['asks', 'answer', 'tell'],
})
const judges = [{ name: 'good', instruction: 'Is it good?', model: 'gpt-4o-mini', scale: { min: 1, max: 10 } }]

it('pays for each run and judgement once over three kills', { timeout: 300_000 }, async () => {
  let server = start()
  let { url } = await server.ready
  const call = async (method: string, path: string, body?: unknown): Promise<Body> => {
    const answer = await callJetty(url, token, method, path, body)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body
  }
  const until = async (path: string, isSo: (found: Body) => boolean): Promise<Body> => {
    for (;;) {
      const found = await call('GET', path)
      if (isSo(found)) return found
      await pause(50)
    }
  }
  await call('POST', '/collections', { name: 'acme' })
  const environment_variables = { OPENAI_API_KEY: 'sk-experiments' }
  await call('PATCH', '/collections/acme/environment', { environment_variables })
  await call('POST', '/tasks/acme', { name: 'report', workflow: workflow('well') })
  const items = Array.from({ length: untouched + changed }, (_, at) => ({
    question: `${'?'.repeat(at % 7)} Question ${at}`,
    asks: at < changed,
  }))
  const { batch_id } = await call('POST', '/run-batch/acme/report', { items })
  await until(`/batches/acme/${batch_id}`, ({ status }) => status === 'completed')
  const [askedBefore, hitsBefore] = [openai.asked.length, hits]
  expect([askedBefore, hitsBefore]).toEqual([changed, changed + untouched])

  const request = {
    workflow: workflow('at length'),
    runs: { last: 500 },
    output_path: 'answer.outputs.text',
    max_concurrency: atOnce,
    judges,
  }
  const { experiment_id: id, plan } = await call('POST', '/experiments/acme/report', request)
  expect(plan).toMatchObject({ runs: changed + untouched, changed, untouched })
  for (let kill = 1; kill <= kills; kill++) {
    await until(`/experiments/acme/${id}?limit=0`, ({ progress }) => progress * plan.runs >= untouched + kill * 8)
    server.child.kill('SIGKILL')
    await server.exited
    server = start()
    url = (await server.ready).url
  }
  await until(`/experiments/acme/${id}?limit=0`, ({ state }) => state === 'completed')
  const found = await call('GET', `/experiments/acme/${id}?limit=500`)

  const { judged = 0, same_output: same = 0, ...others } = found.outcomes
  expect([judged + same, others]).toEqual([changed, { untouched }])
  const runs = await rows<{ key: string; steps: number }>(
    `select r.id as key, (select count(*)::int from steps s where s.run_id = r.id and s.usage is not null) as steps
     from runs r where r.id like $1`,
    [`${id}/%`],
  )
  expect(runs.length).toBe(changed + 2 * judged)
  expect(runs.filter(({ steps }) => steps !== 1)).toEqual([])
  // What was asked and cut off by a kill is asked again; what was answered and recorded is not.
  const asked = openai.asked.length - askedBefore
  expect(asked).toBeGreaterThanOrEqual(runs.length)
  expect(asked - runs.length).toBeLessThanOrEqual(kills * atOnce * 2)
  expect(hits).toBe(hitsBefore)
  await server.stop()
})
