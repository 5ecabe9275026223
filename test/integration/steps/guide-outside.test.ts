// Workflows of examples/ that reach out: a research agent, a job board with ads that are there twice, a nightly report.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { startPublicSite } from '../../fakes/public-site.ts'
import { callsTools, inTurns, resultsIn } from '../../fakes/tool-turns.ts'
import type { WireServer } from '../../fakes/wire-server.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { openWarehouse, type Warehouse } from '../../warehouse.ts'

const folder = new URL('../../../examples/', import.meta.url)
const example = (name: string): Body => JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8'))
const model = 'gpt-4o-mini'
const hookToken = 'hook-guide-outside-unmistakable-52fe'

let openai: FakeOpenAi
let site: WireServer
let warehouse: Warehouse
let jetty: TestServer
let aheadMs = 0
beforeAll(async () => {
  ;[openai, site, warehouse] = await Promise.all([startFakeOpenAi(), startPublicSite(), openWarehouse()])
  const JETTY_ALLOW_PRIVATE_NETWORK = `${new URL(site.url).host},${warehouse.host}`
  const env = { OPENAI_BASE_URL: openai.url, JETTY_ALLOW_PRIVATE_NETWORK, JETTY_TRANSFORM_SECONDS: '120' }
  jetty = await startTestServer({ env, clock: () => Date.now() + aheadMs, beatMs: 50 })
  const secret = 'sk-guide-outside-unmistakable-31cd'
  jetty.leaks.remember('the key', secret)
  jetty.leaks.remember('the password of the warehouse', warehouse.password)
  jetty.leaks.remember('the token of the webhook', hookToken)
  const environment_variables = {
    OPENAI_API_KEY: secret,
    WAREHOUSE: warehouse.urlOf(warehouse.reader),
    REPORT_WEBHOOK: `${site.url}/hook?token=${hookToken}`,
  }
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
  for (const name of ['read-page', 'judge-job']) {
    await jetty.call('POST', '/api/v1/tasks/acme', { name, workflow: example(name) })
  }
})
beforeEach(() => {
  openai.asked.length = 0
  site.asked.length = 0
  openai.choose(undefined)
})
afterAll(async () => {
  await jetty?.close()
  await Promise.all([openai?.close(), site?.close(), warehouse?.close()])
})

const stored = async (path: string): Promise<string> => {
  const headers = { authorization: `Bearer ${jetty.server.adminToken}` }
  return (await fetch(`${jetty.url}/api/v1/file/${path}`, { headers })).text()
}
const research = () => jetty.run(example('research-agent'), { init_params: { site: site.url } })

test('an agent searches, reads two pages, and reports what it cites', async () => {
  const claim = {
    claim: 'It is old.',
    page: 'Jet (gemstone)',
    quote: '<img src=x onerror=steal()> since the Bronze Age',
  }
  openai.say(JSON.stringify({ answer: 'Since the Bronze Age.', claims: [claim], is_answered: true }))
  openai.choose(
    inTurns(
      callsTools(
        model,
        ['search_pages', { query: { q: 'Whitby jet', limit: 2 } }],
        ['search_pages', { query: { q: 'Whitby jet' }, url: 'https://evil.example' }, 'c1'],
      ),
      callsTools(model, ['read_page', { title: 'Jet (gemstone)' }], ['read_page', { title: 'Whitby' }, 'c2']),
      callsTools(model, ['read_page', { title: 'No such page' }], ['delete_everything', {}, 'c3']),
    ),
  )
  const run = await research()
  expect([run.status, run.error]).toEqual(['completed', null])
  const { outputs } = run.steps.research
  expect(outputs).toMatchObject({ turns: 4, is_answered: true, claims: [claim] })
  expect(outputs.tool_calls.map(({ name, status }: Body) => [name, status])).toEqual([
    ['search_pages', 'completed'],
    ['search_pages', 'refused'],
    ['read_page', 'completed'],
    ['read_page', 'completed'],
    ['read_page', 'failed'],
    ['delete_everything', 'refused'],
  ])
  const [found, , jet, whitby] = resultsIn(openai.asked.at(-1)?.body)
  expect(found).toContain('"title":"Whitby"')
  expect(jet).toContain('Jet of Whitby has been carved since the Bronze Age.')
  expect(whitby).toContain('Whitby is a town & port.')
  expect(`${jet}${whitby}`).not.toMatch(/steal|color: red/)
  const report = await stored(run.steps.report.outputs.file.path)
  expect(report).toContain('<em>Jet (gemstone)</em>')
  expect(report).not.toContain('<img')
})

test('an agent that never answers ends at its bounds', async () => {
  openai.choose(() => callsTools(model, ['search_pages', { query: { q: 'again' } }]))
  const run = await research()
  expect(run.status).toBe('failed')
  expect(run.steps.research.error_detail).toMatchObject({
    code: 'budget_exceeded',
    hint: expect.stringContaining('max_turns'),
  })
  expect(openai.asked.length).toBeLessThanOrEqual(8)
})

test('ads of a job board: each is judged once, and those that fit are in a table', async () => {
  openai.say(({ messages }: Body) => {
    const asked = JSON.stringify(messages)
    if (asked.includes('Night porter')) return 'I would rather not say.'
    const isFitting = /You write (Go|TypeScript)/.test(asked)
    return JSON.stringify({ score: isFitting ? 4 : 1, missing: isFitting ? ['a salary', 'a day'] : [] })
  })
  const run = await jetty.run(example('find-jobs'), { init_params: { board: `${site.url}/jobs` } })
  expect([run.status, run.error]).toEqual(['completed', null])
  expect(site.asked.map(({ path }) => path)).toEqual(['/jobs', '/jobs?page=2', '/jobs?page=3'])
  expect(run.steps.ads.outputs).toMatchObject({ pages: 3, next_url: null })
  const { path } = run.steps.table.outputs.file
  expect(run.steps.report.outputs.text).toBe(
    `2 of 3 jobs fit. 1 ads were there twice, 1 could not be judged. The table is in ${path}.`,
  )
  expect(await stored(path)).toBe(
    [
      'score,title,company,missing,url',
      '4,Backend engineer,Ada Ltd,a salary; a day,https://jobs.example/1',
      '4,Platform engineer,Ada Ltd,a salary; a day,https://jobs.example/3',
      '',
    ].join('\r\n'),
  )
})

test('a report of a database goes to a webhook every night, once, also if the webhook is busy at first', async () => {
  await warehouse.admin.query(`insert into orders values
    (11, 'ada', 100, '2026-02-01T08:00Z'), (12, 'ada', 50.5, '2026-02-02T00:00Z'), (13, 'ada', 24.5, '2026-02-02T23:59Z'),
    (14, '<b>eve</b>', 1000, '2026-02-02T12:00Z'), (15, 'bob', 7, '2026-02-03T00:00Z')`)
  const task = await jetty.task(example('nightly-report'))
  const routines = `/api/v1/routines/acme/${task}`
  const cadence = { type: 'daily', hour_utc: 2 }
  const made = await jetty.call('POST', routines, {
    ...{ name: 'night', cadence },
    init_params_overrides: { day: '2026-02-02' },
  })
  expect(made.body.next_run_at).toMatch(/T02:00:00/)
  site.script({ status: 503, headers: { 'retry-after': '0' }, body: 'later' })
  aheadMs = Date.parse(made.body.next_run_at) - Date.now() + 1_000
  const routine = async () => (await jetty.call('GET', `${routines}/night`)).body
  await expect.poll(async () => (await routine()).last_trajectory_id, { timeout: 50_000 }).toBeTruthy()
  const { last_trajectory_id, next_run_at } = await routine()
  expect(Date.parse(next_run_at) - Date.parse(made.body.next_run_at)).toBe(24 * 3_600_000)
  const run = await jetty.until(task, last_trajectory_id, ({ status }) => status === 'completed' || status === 'failed')
  expect([run.status, run.error]).toEqual(['completed', null])
  const [refused, accepted] = site.asked
  expect(site.asked).toHaveLength(2)
  expect(accepted?.headers['idempotency-key']).toBe(refused?.headers['idempotency-key'])
  expect(accepted?.body).toMatchObject({ title: 'Orders of yesterday', orders: 3, revenue: 1075 })
  expect(accepted?.body.html).toContain('&lt;b&gt;eve&lt;/b&gt;')
  const cells = accepted?.body.html.replace(/<\/?t[a-z]+>/g, ' ').replace(/\s+/g, ' ')
  expect(cells).toContain('1 1,000.00 new ada 2 75.00 -25%')
})
