// What people rely on while they read: the place in a list, the focus, text that is drawn as it is, and a page that stays.
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { TestServer } from '../server.ts'
import { evaluate, type Visitor } from './pages.ts'
import { newAdmin, startServerWithPages } from './person.ts'

let server: TestServer
let visitor: Visitor

beforeAll(async () => {
  server = await startServerWithPages()
  visitor = await newAdmin(server)
})
afterAll(async () => {
  await visitor?.close()
  await server?.close()
})

const echo = (text: string) => ({ activity: 'text_echo', text })
const focused = () =>
  evaluate(visitor.page, 'document.activeElement.closest("main, dialog, [role=region]")?.tagName ?? "BODY"')

it('Back returns to the place in the list', async () => {
  const { page } = visitor
  const task = await server.task({ step_configs: { say: echo('x') }, steps: ['say'] })
  for (let at = 0; at < 40; at++) await server.start(task)
  await page.goto('/acme/-/runs')
  const list = page.locator('[data-scroll-restoration-id=page]')
  await page.getByRole('row').nth(10).waitFor()
  await list.evaluate((node: { scrollTop: number }) => {
    node.scrollTop = 400
  })
  const top = () => list.evaluate((node: { scrollTop: number }) => node.scrollTop)
  await expect.poll(top).toBe(400)
  await page.getByRole('row').filter({ hasText: task }).nth(12).getByRole('link').first().click()
  await page.getByRole('row', { name: /say/ }).waitFor()
  await page.goBack()
  await expect.poll(top).toBe(400)
  await page.getByRole('link', { name: 'Settings' }).first().click()
  await page.getByRole('heading').first().waitFor()
  expect(await evaluate(page, 'document.querySelector("[data-scroll-restoration-id=page]")?.scrollTop ?? 0')).toBe(0)
})

it('a page that is not loaded yet waits for a server that is away', async () => {
  const { page, faults } = visitor
  await page.goto('/')
  await page.getByRole('heading', { name: 'Collections' }).waitFor()
  await page.route('**/*', (route) => route.abort())
  await page.keyboard.press('g')
  await page.keyboard.press('p')
  try {
    await page.getByText('The server does not answer').waitFor()
    await page.getByRole('heading', { name: 'Collections' }).waitFor()
  } finally {
    await page.unroute('**/*') // the tests after this one load pages
  }
  await page.getByRole('heading', { name: 'Playground' }).waitFor()
  faults.length = 0 // Chromium notes each request that found nobody
})

it('the focus stays near what it was on', async () => {
  const { page } = visitor
  const gate = { activity: 'wait_for_approval', message: 'Go on?' }
  const task = await server.task({ step_configs: { gate, last: echo('x') }, steps: ['gate', 'last'] })
  const { trajectory_id: id } = await server.start(task)
  await page.goto(`/acme/${task}/${id}`)
  const approve = page.getByRole('button', { name: 'Approve' })
  await approve.focus()
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Completed' }).waitFor()
  await expect.poll(focused).toBe('MAIN')

  await page.getByRole('button', { name: 'Re-run' }).click()
  await page.getByRole('menuitem', { name: 'With other parameters' }).click()
  await page.getByRole('dialog').waitFor()
  await page.keyboard.press('Escape')
  await expect.poll(() => page.getByRole('dialog').count()).toBe(0)
  await expect.poll(() => evaluate(page, 'document.activeElement.textContent')).toContain('Re-run')
})

it('text that turns its direction is drawn with its marks', async () => {
  const { page } = visitor
  const turned = 'Pay \u202e001\u202c EUR'
  const gate = { activity: 'wait_for_approval', message: turned, metadata: { amount: turned } }
  const task = await server.task({ step_configs: { gate, say: echo(turned) }, steps: ['say', 'gate'] })
  const { trajectory_id: id } = await server.start(task)
  await server.call('POST', `/api/v1/trajectory/acme/${task}/${id}/labels`, { key: 'sum', value: turned })
  await page.goto(`/acme/${task}/${id}`)
  await page.getByText('Pay [U+202E]001[U+202C] EUR').first().waitFor()
  await page.goto('/-/approvals')
  await page.getByText('Pay [U+202E]001[U+202C] EUR').nth(1).waitFor()
  for (const path of [`/acme/${task}/${id}`, '/acme/-/runs', `/acme/${task}?tab=definition`]) {
    await page.goto(path)
    await page.getByText(task).first().waitFor()
    expect(await evaluate(page, 'document.body.innerText.includes("\\u202e")'), path).toBe(false)
  }
})

it('a value of megabytes is searched to its end', async () => {
  const { page } = visitor
  const task = await server.task({
    step_configs: { many: { activity: 'transform', expression: '{"list": $append([1..300000], ["needle"])}' } },
    steps: ['many'],
  })
  const { trajectory_id: id } = await server.start(task)
  await server.until(task, id, ({ ended }) => ended)
  await page.goto(`/acme/${task}/${id}`)
  await page.getByRole('row', { name: /many/ }).click()
  await page
    .getByText(/load .*MB|load .*MiB/)
    .first()
    .click()
  await page.getByLabel('Search in output').fill('needle')
  await page.getByText('1 found').waitFor()
  await page.getByText('"needle"').waitFor()
})

it('the arms of a branch stand side by side, in the definition and in a run', async () => {
  const { page } = visitor
  const branch = { activity: 'conditional_branch', condition: true, true_step: 'yes', false_step: 'no' }
  const task = await server.task({
    step_configs: { ask: branch, yes: echo('a'), no: echo('b'), end: echo('c') },
    steps: ['ask', 'yes', 'no', 'end'],
  })
  const { trajectory_id: id } = await server.start(task)
  const run = await server.until(task, id, ({ ended }) => ended)
  expect([run.steps.yes.decided_by, run.steps.no.decided_by, run.steps.end.decided_by]).toEqual([
    ['ask'],
    ['ask'],
    undefined,
  ])
  const box = async (name: string) =>
    (await page
      .getByRole('button', { name: new RegExp(`\\b${name} text_echo`) })
      .first()
      .boundingBox())!
  const levels = async () => {
    const [yes, no, end] = [await box('yes'), await box('no'), await box('end')]
    return [yes.y === no.y, yes.x === no.x, end.y > no.y]
  }
  await page.goto(`/acme/${task}/${id}`)
  await page.getByRole('tab', { name: 'Graph' }).click()
  await page
    .getByRole('button', { name: /\bend text_echo/ })
    .first()
    .waitFor()
  expect(await levels()).toEqual([true, false, true])
  await page.goto(`/acme/${task}?tab=definition`)
  await page.getByRole('tab', { name: 'Graph' }).click()
  await page
    .getByRole('button', { name: /\bend text_echo/ })
    .first()
    .waitFor()
  expect(await levels()).toEqual([true, false, true])
  expect(await page.locator('path[marker-end]').count()).toBe(4)
})

it('a task whose runs bring their runbook opens that of the last run', async () => {
  const { page } = visitor
  const { standardRunbookWorkflow } = await import('../../src/model/runbooks/standard-runbook.ts')
  const task = await server.task(standardRunbookWorkflow())
  await page.goto(`/acme/${task}?tab=runbook`)
  await page.getByText('Each run of this task brings its own runbook').waitFor()
  await server.start(task, { init_params: { agent: 'scripted', instruction: '# Brought\n\n```sh\ntrue\n```\n' } })
  await page.reload()
  await page.getByText('This is the runbook of run').waitFor()
  await page.getByText('# Brought').waitFor()
  await expect.poll(() => page.getByText('Being checked').count()).toBe(0)
})
