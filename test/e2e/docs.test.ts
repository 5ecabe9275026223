// The documentation in a browser: read, searched, and the API tried, signed in and not.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestServer } from '../server.ts'
import { evaluate, expectSound, newVisitor, takeShots, type Visitor } from './pages.ts'
import { startServerWithPages } from './person.ts'

let jetty: TestServer
let visitor: Visitor
let key: string
beforeAll(async () => {
  jetty = await startServerWithPages()
  key = (await jetty.call('POST', '/api/v1/api-keys', { name: 'reader', collection_name: 'acme' })).body.api_key
  visitor = await newVisitor(jetty.url)
})
afterAll(async () => {
  await visitor?.close()
  await jetty?.close()
})

test('a page is read without signing in, and asks nobody else', async () => {
  const { page } = visitor
  const asked: string[] = []
  page.on('request', (request) => asked.push(request.url()))
  await page.goto('/docs/concepts')
  await page.getByRole('heading', { level: 1, name: /^Concepts/ }).waitFor()
  await page.getByRole('img', { name: /^A collection holds tasks/ }).waitFor()
  await expect.poll(() => evaluate(page, `document.querySelector('article img').naturalWidth`)).toBeGreaterThan(0)
  expect(asked.filter((url) => !url.startsWith(jetty.url))).toEqual([])
  await expectSound(visitor, 'concepts')
  await takeShots(visitor, 'docs-concepts')
})

test('links lead to other pages and to their sections', async () => {
  const { page } = visitor
  await page.getByRole('link', { name: 'Path expressions' }).first().click()
  await page.getByRole('heading', { level: 1, name: /^Path expressions/ }).waitFor()
  await page.goto('/docs/batches#items')
  const heading = page.getByRole('heading', { name: 'Items', exact: true })
  await heading.waitFor()
  await expect.poll(async () => (await heading.boundingBox())?.y ?? 9999).toBeLessThan(400)
})

test('the search leads to a section', async () => {
  const { page } = visitor
  await page.getByLabel('Search the documentation').fill('daylight saving')
  await page
    .getByRole('link', { name: /schedule/ })
    .first()
    .waitFor()
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { level: 1, name: /^Run a task on a schedule/ }).waitFor()
})

test('a page that is not there says so', async () => {
  await visitor.page.goto('/docs/nothing')
  await visitor.page.getByText("There is no page 'nothing.md' in the documentation").waitFor()
  visitor.faults.length = 0
})

test('a call is written as code for this address, and tried with a key', async () => {
  const { page } = visitor
  await page.goto('/docs/api')
  await page.getByText(`${jetty.url}/api/v1/collections`).waitFor()
  await page.getByLabel('Find a call').fill('listTasks')
  await page.locator('#listTasks > summary').click()
  await page.getByLabel('collection (path)').fill('acme')
  await page.getByLabel('API key').fill(key)
  await expectSound(visitor, 'the page of the API')
  await takeShots(visitor, 'docs-api')
  for (const [name, text] of [
    ['curl', `curl -sS ${jetty.url}/api/v1/tasks/acme`],
    ['TypeScript', 'await jetty.listTasks({'],
    ['Python', 'answer = requests.get('],
  ] as const) {
    await page.getByRole('tab', { name }).click()
    expect(await page.getByRole('tabpanel').textContent()).toContain(text)
  }
  await page.getByRole('button', { name: 'Try it' }).click()
  await page.getByText('200 application/json').waitFor()
})
