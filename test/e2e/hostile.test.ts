// Whatever a run was given or has made is shown, and nothing of it is executed or asks another server.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { standardRunbookTask, standardRunbookWorkflow } from '../../src/model/runbooks/standard-runbook.ts'
import type { Body, TestServer } from '../server.ts'
import { evaluate, type Visitor, withoutAnswers } from './pages.ts'
import { newAdmin, startServerWithPages } from './person.ts'

let jetty: TestServer
let visitor: Visitor
/** Another server that the contents try to reach. */
let outside: Server
/** Requests of the browser to anything but the server under test. */
const strayed: string[] = []
let attack = ''
let id = ''
let waiting = ''

const attackTo = (url: string): string =>
  [
    `<script>globalThis.canary = 'script'</script><script src="${url}/script.js"></script>`,
    `<img src=x onerror="globalThis.canary = 'image'"><svg onload="globalThis.canary = 'svg'"><iframe src="${url}/frame"></iframe>`,
    `[script](javascript:globalThis.canary='link') [data](data:text/html,<script>opener.canary='data'</script>) <javascript:globalThis.canary='auto'>`,
    `![pixel](${url}/pixel.png) <link rel=stylesheet href="${url}/style.css"><base href="${url}/">`,
    `\u001b[31mred\u001b[0m \u001b]8;;${url}/terminal\u0007link\u001b]8;;\u0007 \u001b]0;title\u0007 \u202egpj.exe`,
    `{{constructor.constructor("globalThis.canary = 'template'")()}} \${globalThis.canary = 'literal'}`,
    `# Heading\n\n| a | b |\n| --- | --- |\n| <b onclick="globalThis.canary = 'cell'">x</b> | [y](${url}/y) |`,
  ].join('\n\n')

const listen = async (): Promise<string> => {
  outside = createServer((_, response) => response.end())
  await new Promise<void>((resolve) => outside.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(outside.address() as AddressInfo).port}`
}

const workflow = (text: string) => ({
  init_params: { text, '<b>name</b>': text },
  input_schema: { properties: { text: { type: 'string', title: text.slice(0, 150), description: text } } },
  steps: ['show', 'tell', 'page', 'drawing', 'notes', 'table', 'fail'],
  step_configs: {
    show: { activity: 'text_echo', text_path: 'init_params.text' },
    tell: { activity: 'litellm_chat', model: 'scripted/echo', system_prompt: text, prompt_path: 'init_params.text' },
    page: { activity: 'save_text_file', text, filename: 'page.html' },
    drawing: {
      activity: 'save_text_file',
      text: `<svg xmlns="http://www.w3.org/2000/svg"><script>globalThis.canary='drawing'</script></svg>`,
      filename: 'drawing.svg',
    },
    notes: { activity: 'save_text_file', text, filename: 'notes.md' },
    table: { activity: 'save_text_file', text: `a,b\n"${text.replaceAll('"', '""')}",=1+1\n`, filename: 'table.csv' },
    fail: { activity: 'read_text_file', file_path_expr: 'init_params.text' },
  },
})

const create = async (name: string, flow: unknown, more: Body = {}): Promise<void> => {
  const { status, body } = await jetty.call('POST', '/api/v1/tasks/acme', { name, workflow: flow, ...more })
  expect(status, JSON.stringify(body)).toBe(201)
}

/** A runbook whose every part that a page shows is an attack. */
const runbook = (text: string): string =>
  [
    `---\nversion: 1.0.0\nevaluation: programmatic\nagent: scripted\nprimary_outputs:\n  - ${JSON.stringify(text.slice(0, 80))}\n---`,
    `# ${text.slice(0, 80)}`,
    text,
    `## Parameters\n\n| Parameter | Template Variable | Default |\n| --- | --- | --- |\n| ${text} | \`{{name}}\` | ${text} |`,
    '## Step 1\n\n{{name}}',
  ].join('\n\n')

/** What the settings list: a key, a session, variables, limits, a refused receiver, and who changed all this. */
const fillSettings = async (line: string): Promise<void> => {
  const named = { name: line.slice(0, 100), collection_name: 'acme' }
  const { body } = await jetty.call('POST', '/api/v1/api-keys', named)
  expect(body.api_key, JSON.stringify(body)).toMatch(/^mlc_/)
  const asThem = (method: string, path: string, sent: unknown) => jetty.call(method, path, sent, body.api_key)
  const environment = { environment_variables: { CANARY: 'not-shown-4Zk-7Qp' } }
  expect((await asThem('PATCH', '/api/v1/collections/acme/environment', environment)).status).toBe(200)
  const limits = { fallback_models: [line.slice(0, 300)] }
  expect((await asThem('PATCH', '/api/v1/collections/acme/settings', limits)).status).toBe(200)
  const signIn = await fetch(`${jetty.url}/api/v1/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'user-agent': line.replace(/[^\x20-\x7e]/g, '').slice(0, 300) },
    body: JSON.stringify({ token: body.api_key }),
  })
  expect(signIn.ok).toBe(true)
  await jetty.start('show', { webhook_url: 'https://nowhere.invalid/<script>canary</script>' })
  const deliveries = async () =>
    (await jetty.call('GET', '/api/v1/collections/acme/webhooks/deliveries')).body.deliveries
  await vi.waitFor(async () => expect(await deliveries()).toHaveLength(1), { timeout: 20_000, interval: 200 })
}

beforeAll(async () => {
  attack = attackTo(await listen())
  const line = attack.replace(/\p{Cc}+/gu, ' ')
  jetty = await startServerWithPages()
  await create('hostile', workflow(attack), { description: attack })
  const gate = {
    activity: 'wait_for_approval',
    message: attack,
    assignees: [line.slice(0, 100)],
    metadata: { [line.slice(0, 60)]: attack, more: { text: attack } },
  }
  await create('gate', { steps: ['ask'], step_configs: { ask: gate } })
  id = (await jetty.start('hostile')).trajectory_id
  waiting = (await jetty.start('gate')).trajectory_id
  await jetty.until('hostile', id, ({ ended }) => ended)
  await jetty.until('gate', waiting, (run) => run.waiting !== null)
  await jetty.call('POST', `/api/v1/trajectory/acme/hostile/${id}/labels`, {
    key: line.slice(0, 150),
    value: attack.slice(0, 900),
    author: line.slice(0, 100),
  })
  await jetty.call('POST', '/api/v1/trajectories/acme/sent/ingest', {
    trajectory_id: 'run-1',
    status: 'failed',
    input: attack,
    output: attack,
    author: line.slice(0, 150),
    source: attack,
    labels: { [line.slice(0, 150)]: 'x' },
  })
  await jetty.call('PUT', '/api/v1/tasks/acme/hostile', {
    workflow: { ...workflow(attack), init_params: { text: 'another' } },
    note: line.slice(0, 190),
  })
  await jetty.call('PUT', `/api/v1/views/acme/${encodeURIComponent(line.slice(0, 150))}`, { query: 'status=failed' })
  await create('show', { steps: ['show'], step_configs: { show: { activity: 'text_echo', text: attack } } })
  await create('book', standardRunbookWorkflow({ instruction: runbook(line) }), standardRunbookTask)
  await fillSettings(line)

  visitor = await newAdmin(jetty)
  visitor.context.on('request', (request) => {
    const { protocol, origin } = new URL(request.url())
    if (/^https?:$/.test(protocol) && origin !== jetty.url) strayed.push(request.url())
  })
  visitor.context.on('page', (page) => strayed.push(`a window: ${page.url()}`))
  visitor.context.on('dialog', (dialog) => strayed.push(`a dialog: ${dialog.message()}`))
})
afterAll(async () => {
  await visitor?.close()
  await jetty?.close()
  await new Promise((resolve) => outside?.close(resolve))
})

/** Addresses of links that would execute something, or tell another server from where somebody came. */
const badLinks = `[...document.querySelectorAll('a[href], area[href]')].filter((link) =>
  !/^https?:$/.test(link.protocol) || (link.origin !== location.origin && !/noreferrer/.test(link.rel)))
  .map((link) => link.outerHTML.slice(0, 200))`

const expectHarmless = async (what: string): Promise<void> => {
  const { page, faults } = visitor
  expect(await evaluate(page, 'globalThis.canary ?? null'), what).toBeNull()
  expect(await evaluate(page, badLinks), what).toEqual([])
  expect(
    await evaluate(page, `document.title.includes('<') || document.querySelector('base, #root script') !== null`),
  ).toBe(false)
  expect(strayed, what).toEqual([])
  expect(withoutAnswers(faults), what).toEqual([])
}

const run = () => `/acme/hostile/${id}`
const pages: [name: string, address: () => string, shows?: string][] = [
  ['the collection', () => '/acme', 'canary'],
  ['all runs, with labels and a view', () => '/acme/-/runs'],
  ['a look at a run', () => `/acme/-/runs?peek=hostile/${id}`],
  ['a look at a question', () => `/acme/-/runs?peek=gate/${waiting}`],
  ['the form of a task', () => '/acme/hostile?tab=run'],
  ['a definition', () => '/acme/hostile?tab=definition'],
  ['versions', () => '/acme/hostile?tab=versions&version=1'],
  ['a run', run],
  ['its graph', () => `${run()}?tab=graph`],
  ['its log', () => `${run()}?tab=log`],
  ['its input', () => `${run()}?tab=input`],
  ['its files', () => `${run()}?tab=files`],
  ['a text', () => `${run()}?step=show&panel=output`],
  ['where an input came from', () => `${run()}?step=show&panel=input`],
  ['a conversation', () => `${run()}?step=tell&panel=output`],
  ['a config', () => `${run()}?step=tell&panel=config`],
  ['an error', () => `${run()}?step=fail&panel=error`],
  ['an ingested run', () => '/acme/sent/run-1'],
  ['a question in a run', () => `/acme/gate/${waiting}`],
  ['a comparison', () => `/-/compare?run=acme/hostile/${id}&run=acme/sent/run-1`],
  ['the editor of a runbook', () => '/acme/book?tab=runbook'],
  ['the form of a runbook', () => '/acme/book?tab=run'],
  ['what a step asked, in the playground', () => `/-/playground?from=acme/hostile/${id}/tell`],
  ['keys', () => '/acme/-/settings/keys'],
  ['variables', () => '/acme/-/settings/environment', 'CANARY'],
  ['limits of calls', () => '/acme/-/settings/calls'],
  ['deliveries', () => '/acme/-/settings/webhooks'],
  ['changes', () => '/acme/-/settings/audit'],
  ['sessions', () => '/settings/sessions'],
  ['questions', () => '/-/approvals'],
  ['a question for outsiders', () => '/-/approvals?skin=plain'],
]

test.each(pages)('%s shows it and executes nothing', async (name, address) => {
  const { page } = visitor
  await page.goto(address())
  await page
    .getByText(/canary|evil|script/)
    .first()
    .waitFor({ state: 'attached' })
  for (const button of await page.getByRole('button', { name: 'Show as Markdown' }).all()) await button.click()
  await expectHarmless(name)
})

test('an answer in the playground is shown and executes nothing', async () => {
  const { page } = visitor
  await page.goto('/-/playground?collection=acme&model=scripted/echo')
  await page.getByLabel('Message').fill(attack)
  await page.keyboard.press('ControlOrMeta+Enter')
  const answer = page.getByRole('article', { name: 'Answer of scripted/echo' })
  await answer.getByText('Recorded as').waitFor()
  await expectHarmless('an answer')
  await page.getByRole('button', { name: 'Code' }).click()
  await page.getByRole('dialog').getByText('canary').first().waitFor()
  await expectHarmless('the code of a request')
})

test('files that a browser would execute come as downloads', async () => {
  const { body } = await jetty.call('GET', `/api/v1/trajectory/acme/hostile/${id}/files`)
  const executable = body.files.filter(({ name }: Body) => /\.(html|svg)$/.test(name))
  expect(executable).toHaveLength(2)
  for (const { path } of executable) {
    const { headers } = await jetty.call('GET', `/api/v1/file/${path}?inline=1`)
    expect(headers.get('content-disposition'), path).toMatch(/^attachment/)
    expect(headers.get('content-security-policy'), path).toContain('sandbox')
    const answer = await visitor.page.goto(`/api/v1/file/${path}?inline=1`).catch(() => null)
    expect(answer, path).toBeNull()
    await expectHarmless(path)
  }
})
