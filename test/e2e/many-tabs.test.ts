// Many tabs of one person at once. A browser opens six connections to a server over HTTP/1.1, and a stream holds one.
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestServer } from '../server.ts'
import { evaluate, type Visitor } from './pages.ts'
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

/** A browser without a window calls every tab seen: this one is seen when the test says so. */
const unseen = `Object.defineProperty(document, 'visibilityState', { get: () => globalThis.seen ?? 'hidden' })`
const see = (page: Page, state: 'visible' | 'hidden') =>
  evaluate(page, `globalThis.seen = '${state}', document.dispatchEvent(new Event('visibilitychange'))`)

test('ten tabs all show their rows; the one that is seen is live, and a tab that is seen again has missed nothing', async () => {
  const task = await jetty.task({ step_configs: { say: { activity: 'text_echo', text: 'hello' } }, steps: ['say'] })
  const { trajectory_id: id } = await jetty.start(task)
  const tabs: Page[] = []
  const following = new Set<Page>()
  await visitor.context.addInitScript({ content: unseen })
  for (let at = 0; at < 10; at++) {
    const page = await visitor.context.newPage()
    const isStream = (url: string) => url.endsWith('/events')
    page.on('request', (request) => isStream(request.url()) && following.add(page))
    page.on('requestfailed', (request) => isStream(request.url()) && following.delete(page))
    tabs.push(page)
  }
  await Promise.all(tabs.map((page) => page.goto('/acme/-/runs')))
  for (const page of tabs) await page.getByRole('row').filter({ hasText: id }).waitFor()
  expect(following.size).toBe(0)

  for (const page of [...tabs.slice(0, 2), ...tabs.slice(-1)]) {
    await see(page, 'visible')
    await page.getByText('live', { exact: true }).waitFor()
    expect([...following]).toEqual([page])
    await see(page, 'hidden')
    await expect.poll(() => following.size).toBe(0)
  }
  const later = await jetty.start(task)
  await jetty.until(task, later.trajectory_id, ({ ended }) => ended)
  for (const page of tabs.slice(0, 2)) {
    await see(page, 'visible')
    await page.getByRole('button', { name: '1 new run' }).waitFor()
    await see(page, 'hidden')
  }
  await Promise.all(tabs.map((page) => page.close()))
})
