// Pages whose answers come late, on a real server: what happened meanwhile is neither lost nor taken back.
import type { Request, Route } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestServer } from '../server.ts'
import { countLists, evaluate, type Visitor } from './pages.ts'
import { newAdmin, startServerWithPages } from './person.ts'

let jetty: TestServer
let visitor: Visitor

beforeAll(async () => {
  jetty = await startServerWithPages()
  visitor = await newAdmin(jetty)
})
afterAll(async () => {
  await visitor?.close()
  await jetty?.close()
})

const gate = (message: string) => ({ activity: 'wait_for_approval', message })
const approve = (task: string, id: string, step: string, comment: string) =>
  jetty.call('POST', `/api/v1/trajectory/acme/${task}/${id}/steps/${step}/approval`, { decision: 'approve', comment })
const isWaiting = (step: string) => (run: { waiting: { step: string }[] | null }) => run.waiting?.[0]?.step === step

/** Holds the first request that fits until it is released: what the page does meanwhile comes before its answer. */
const hold = async (fits: (request: Request) => boolean, answer: (route: Route) => Promise<() => Promise<void>>) => {
  const { page } = visitor
  let release = () => {}
  let asked = () => {}
  let end = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const whenAsked = new Promise<void>((resolve) => {
    asked = resolve
  })
  const whenEnded = new Promise<void>((resolve) => {
    end = resolve
  })
  let isHeld = false
  const handle = async (route: Route) => {
    if (isHeld || !fits(route.request())) return route.fallback()
    isHeld = true
    const send = await answer(route)
    asked()
    await released
    await send()
    end()
  }
  await page.route('**/api/**', handle)
  return {
    whenAsked,
    /** Sends the answer, and waits until the page has drawn what it makes of it. */
    async release() {
      release()
      await whenEnded
      await page.unroute('**/api/**', handle)
      await evaluate(
        page,
        'new Promise((done) => setTimeout(() => requestAnimationFrame(() => setTimeout(done, 50)), 50))',
      )
    },
  }
}

/** The server does what it is asked for at once; only its answer is late. */
const lateAnswer = async (route: Route) => {
  const response = await route.fetch()
  return () => route.fulfill({ response })
}
/** The request itself is late. */
const lateRequest = async (route: Route) => () => route.continue()
const pathOf = (request: Request): string => decodeURIComponent(new URL(request.url()).pathname)

test('a step that went on before the stream of its run began is read again', async () => {
  const { page } = visitor
  const task = await jetty.task({ step_configs: { ask: gate('Ready?'), nap: gate('Done?') }, steps: ['ask', 'nap'] })
  const { trajectory_id: id } = await jetty.start(task)
  await jetty.until(task, id, isWaiting('ask'))
  const stream = await hold((request) => pathOf(request).endsWith('/events'), lateRequest)
  await page.goto(`/acme/${task}/${id}?step=ask&panel=output`)
  await page.getByText('Ready?').first().waitFor()
  await stream.whenAsked
  await approve(task, id, 'ask', 'in the gap')
  await jetty.until(task, id, isWaiting('nap'))
  await stream.release()
  await page.getByText('in the gap').first().waitFor()
  await page.getByText('1 of 2 steps').waitFor()
})

test('an answer that is older than the events does not take them back', async () => {
  const { page } = visitor
  const steps = { one: gate('The first?'), two: gate('The second?') }
  const task = await jetty.task({ step_configs: steps, steps: ['one', 'two'] })
  const { trajectory_id: id } = await jetty.start(task)
  await jetty.until(task, id, isWaiting('one'))
  await page.goto(`/acme/${task}/${id}`)
  await page.getByText('The first?').first().waitFor()
  await page.getByText('live', { exact: true }).waitFor()
  const path = `/api/v1/trajectory/acme/${task}/${id}`
  const before = await jetty.call('GET', `${path}?view=summary`)
  const old = await hold(
    (request) => pathOf(request).endsWith(`/acme/${task}/${id}`) && request.method() === 'GET',
    async (route) => () => route.fulfill({ json: before.body }),
  )
  await page.getByRole('button', { name: 'Approve' }).click() // reads the run again
  await old.whenAsked
  await page.getByText('The second?').first().waitFor()
  await old.release()
  await page.getByText('1 of 2 steps').waitFor()
  await page.getByText('The second?').first().waitFor()
})

test('a step that is tried is stopped when the page is left, even before the server has answered', async () => {
  const { page } = visitor
  const task = await jetty.task({ step_configs: { nap: { activity: 'sleep', seconds: 600 } }, steps: ['nap'] })
  await page.goto(`/acme/${task}?tab=definition`)
  await page.getByRole('tab', { name: /Steps/ }).click()
  await page.getByRole('button', { name: /nap/ }).click()
  const start = await hold((request) => request.method() === 'POST' && pathOf(request).includes('/try/'), lateAnswer)
  await page.getByRole('button', { name: 'Try this step' }).click()
  await start.whenAsked
  await page
    .getByRole('navigation', { name: `Task ${task}` })
    .getByRole('link', { name: 'Versions' })
    .click()
  await page.getByRole('heading', { name: 'nap', exact: true }).waitFor({ state: 'detached' })
  await start.release()
  const tried = async () => (await jetty.call('GET', '/api/v1/runs/acme?task=_try')).body.runs
  await expect.poll(async () => (await tried())[0]?.status).toBe('cancelled')
})

test('what is typed after a save goes on where the cursor was', async () => {
  const { page } = visitor
  const task = await jetty.task({ step_configs: { say: { activity: 'text_echo', text: 'hello' } }, steps: ['say'] })
  await page.goto(`/acme/${task}?tab=definition`)
  await page.getByLabel(`Workflow of ${task}`).getByText('"hello"').click() // the cursor stands within the text
  await page.keyboard.insertText('one')
  await page.keyboard.press('ControlOrMeta+s')
  await page.getByText('Saved as a new version').waitFor()
  await page.getByText('Saved', { exact: true }).waitFor()
  await page.keyboard.insertText('two')
  await page.getByText('Changed', { exact: true }).waitFor()
  await page.getByLabel(`Workflow of ${task}`).getByText('onetwo').waitFor()
  await page.getByRole('button', { name: 'Undo all' }).click() // the page may be left without a question
})

test('a setting that is typed while another is saved stays', async () => {
  const { page } = visitor
  await page.goto('/acme/-/settings/budgets')
  const [day, tokens] = [page.getByLabel('US dollars a day'), page.getByLabel('Tokens a day')]
  await day.fill('12.5')
  const save = await hold((request) => request.method() === 'PUT' || request.method() === 'PATCH', lateAnswer)
  await page.getByRole('button', { name: 'Save' }).click()
  await save.whenAsked
  await tokens.fill('99')
  await save.release()
  await page.getByText('of $12.50').waitFor()
  expect(await tokens.inputValue()).toBe('99')
})

test('rules that are typed while somebody else saves theirs stay, and are not saved over them unseen', async () => {
  const { page } = visitor
  const settings = '/api/v1/collections/acme/settings'
  await page.goto('/acme/-/settings/retention')
  const days = page.getByLabel('Days after its end')
  await days.fill('40')
  await jetty.call('PATCH', settings, { retention: { keep_labels: ['golden'] } })
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('has been changed since it was read', { exact: false }).waitFor()
  expect(await days.inputValue()).toBe('40')
  await page.getByRole('button', { name: 'Undo' }).click()
  await page.getByLabel('Label', { exact: true }).waitFor()
  expect(await page.getByLabel('Label', { exact: true }).inputValue()).toBe('golden')
  expect((await jetty.call('GET', settings)).body.retention_days).toBe(null)
})

test('whoever goes to another tab while a decision is sent stays there', async () => {
  const { page } = visitor
  const task = await jetty.task({ step_configs: { ask: gate('Shall it go on?') }, steps: ['ask'] })
  const { trajectory_id: id } = await jetty.start(task)
  await jetty.until(task, id, isWaiting('ask'))
  await page.goto('/-/approvals')
  await page.getByRole('list', { name: 'Approvals' }).getByText('Shall it go on?').click()
  const decision = await hold((request) => request.method() === 'POST', lateAnswer)
  await page.getByRole('button', { name: 'Approve', exact: true }).click()
  await decision.whenAsked
  await page.getByRole('tab', { name: /Decided/ }).click()
  await page.waitForURL(/tab=decided/)
  await decision.release()
  expect(page.url()).toMatch(/tab=decided/)
})

test('labels are changed one after another, so that the last answer is the newest', async () => {
  const { page } = visitor
  const task = await jetty.task({ step_configs: { say: { activity: 'text_echo', text: 'hello' } }, steps: ['say'] })
  const { trajectory_id: id } = await jetty.start(task)
  await jetty.until(task, id, ({ ended }) => ended)
  const path = `/api/v1/trajectory/acme/${task}/${id}/labels`
  for (const key of ['first', 'second']) await jetty.call('POST', path, { key, value: 'yes', author: 'mara' })
  await page.goto(`/acme/${task}/${id}`)
  await page.getByRole('button', { name: 'Label', exact: true }).click()
  const seen: string[] = []
  const note = (what: string) => (request: Request) =>
    request.method() === 'DELETE' && seen.push(`${what} ${pathOf(request).split('/').at(-1)}`)
  const [onAsked, onAnswered] = [note('asked'), note('answered')]
  page.on('request', onAsked)
  page.on('requestfinished', onAnswered)
  const remove = page.getByRole('dialog').getByRole('button', { name: 'Remove' })
  await page.getByRole('dialog').getByText('1 runs').first().waitFor() // which moves what stands below
  const first = await hold((request) => request.method() === 'DELETE', lateAnswer)
  await remove.first().click()
  await first.whenAsked
  await remove.last().click()
  await first.release()
  await expect.poll(() => remove.count()).toBe(0)
  await expect.poll(() => seen).toEqual(['asked first', 'answered first', 'asked second', 'answered second'])
  page.off('request', onAsked)
  page.off('requestfinished', onAnswered)
})

test('the filters that are chosen while a view is deleted stay', async () => {
  const { page } = visitor
  await jetty.call('PUT', '/api/v1/views/acme/reviewed', { task: null, query: 'label=reviewed' })
  await page.goto('/acme/-/runs?label=reviewed')
  await page.getByRole('button', { name: 'View reviewed' }).click()
  const removal = await hold((request) => request.method() === 'DELETE', lateAnswer)
  await page.getByRole('menuitem', { name: 'Delete this view' }).click()
  await removal.whenAsked
  await page.getByRole('tab', { name: 'Failed' }).click()
  await page.waitForURL(/status=failed/)
  await removal.release()
  await expect.poll(() => page.getByRole('tab', { name: 'reviewed' }).count()).toBe(0)
  expect(page.url()).toMatch(/status=failed/)
})

test('a list that was read before its news keeps them', async () => {
  const { page } = visitor
  const task = await jetty.task({ step_configs: { ask: gate('Ready?') }, steps: ['ask'] })
  const { trajectory_id: id } = await jetty.start(task)
  await jetty.until(task, id, isWaiting('ask'))
  const lists = countLists(visitor)
  await page.goto(`/acme/${task}`)
  const row = (text: string) => page.getByRole('row').filter({ hasText: id }).filter({ hasText: text })
  await row('Waiting').waitFor()
  await page.getByText('live', { exact: true }).waitFor()
  await lists()
  const other = await jetty.start(task)
  await page.getByRole('button', { name: '1 new run' }).waitFor()
  const list = await hold((request) => pathOf(request) === '/api/v1/runs/acme', lateAnswer)
  await page.getByRole('button', { name: '1 new run' }).click()
  await list.whenAsked
  await approve(task, id, 'ask', 'meanwhile')
  await row('Completed').waitFor()
  await list.release()
  await page.getByRole('row').filter({ hasText: other.trajectory_id }).waitFor()
  await row('Completed').waitFor()
})
