// Every page in every state, from recorded answers: within its window at every width, accessible, and without faults.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fixturePages } from '../../web/fixtures/pages.ts'
import { fixtureShapes } from '../../web/fixtures/shapes.ts'
import { builtProgram } from '../shared.ts'
import { type FixtureServer, startFixtureServer } from './fixture-server.ts'
import { galleryPages, galleryStates, showGalleryPage } from './gallery-pages.ts'
import { bringAxe, expectSound, newVisitor, type Visitor } from './pages.ts'

/** A test also waits for one of the visitors. */
const atOnce = 3

let server: FixtureServer
/** Several pages are looked at at once: each waits for much of its time. */
const free: Visitor[] = []
const waiting: ((visitor: Visitor) => void)[] = []
const visitors: Visitor[] = []

beforeAll(async () => {
  await builtProgram()
  server = await startFixtureServer({ states: galleryStates })
  for (let count = 0; count < atOnce; count++) visitors.push(await newFixtureVisitor())
  free.push(...visitors)
})
afterAll(async () => {
  for (const visitor of visitors) await visitor.close()
  await server?.close()
})

/** Somebody who has signed in, shortly after everything was recorded. */
const newFixtureVisitor = async (): Promise<Visitor> => {
  const one = await newVisitor(server.url)
  await one.context.addInitScript({
    content: "try { localStorage.setItem('jetty.session', 'fixture') } catch {} // a PDF has no storage",
  })
  await bringAxe(one)
  return one
}

test('every page has its file', () => {
  const folder = join(import.meta.dirname, '../../web/fixtures')
  const files = [
    ...fixtureShapes.map(({ name }) => `runs/${name}.json`),
    ...fixturePages.map(({ name }) => `pages/${name}.json`),
  ]
  expect(files.filter((file) => !existsSync(join(folder, file)))).toEqual([])
})

/** The settings are looked at in `settings-gallery.test.ts`. */
const pages = galleryPages.filter(({ name }) => !name.startsWith('settings-'))

test.concurrent.each(pages.map((page) => [page.name, page] as const))('%s is sound', async (name, page) => {
  const visitor = free.pop() ?? (await new Promise<Visitor>((resolve) => waiting.push(resolve)))
  try {
    visitor.faults.length = 0
    await showGalleryPage(visitor.page, page)
    await expectSound(visitor, name)
  } finally {
    await visitor.page.setViewportSize({ width: 1280, height: 800 })
    const next = waiting.shift()
    if (next) next(visitor)
    else free.push(visitor)
  }
})

test('nothing was asked for that is not recorded', () => {
  expect([...new Set(server.missed)]).toEqual([])
})

test('an idle tab asks nothing', async () => {
  const idle = await newVisitor(server.url)
  await idle.context.addInitScript({ content: "localStorage.setItem('jetty.session', 'fixture')" })
  await idle.page.clock.install()
  for (const name of ['run-one-step', 'run-running', 'runs', 'overview', 'collections', 'approvals', 'task-stats']) {
    const page = galleryPages.find((one) => one.name === name)
    if (!page) throw new Error(`no page ${name}`)
    await idle.page.clock.setFixedTime(new Date(page.now)) // Playwright carries out its timers
    await showGalleryPage(idle.page, page)
    server.asked.length = 0
    await idle.page.clock.runFor(60_000)
    expect(server.asked, name).toEqual([])
  }
  await idle.close()
})
