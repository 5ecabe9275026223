import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { playgroundFixtures } from '../../web/fixtures/playground.ts'
import { fixtureShapes } from '../../web/fixtures/shapes.ts'
import { builtProgram } from '../shared.ts'
import { type FixtureServer, readFixture, startFixtureServer } from './fixture-server.ts'
import { evaluate, expectSound, newVisitor, takeShots, type Visitor } from './pages.ts'
import { tabFixtures } from './tab-fixtures.ts'

/** Shortly after the recorded runs: it decides how long ago they were. */
const now = new Date('2026-11-28T12:00:00Z')

/** All pages take minutes: without pictures to take, those are looked at that have the most in them. */
const isWhole = process.env.TEST_SHOTS !== undefined
const shown = isWhole ? fixtureShapes.map(({ name }) => name) : ['hostile', 'waiting']

let server: FixtureServer
let visitor: Visitor

beforeAll(async () => {
  await builtProgram()
  server = await startFixtureServer()
  visitor = await newVisitor(server.url)
  await visitor.context.addInitScript({
    content: "try { localStorage.setItem('jetty.session', 'fixture') } catch {} // a PDF has no storage",
  })
  await visitor.page.clock.setFixedTime(now)
})

afterAll(async () => {
  await visitor?.close()
  await server?.close()
})

const visit = async (path: string): Promise<void> => {
  visitor.faults.length = 0
  await visitor.page.goto(path)
  await visitor.page.getByRole('heading', { level: 1 }).waitFor()
}

it('has a file for every shape', () => {
  const folder = join(import.meta.dirname, '../../web/fixtures/runs')
  expect(fixtureShapes.filter(({ name }) => !existsSync(join(folder, `${name}.json`)))).toEqual([])
})

describe.each(shown)('the page of %s', (name) => {
  it('is sound', async () => {
    await visit(readFixture(name).page)
    await takeShots(visitor, `run-${name}`)
    await expectSound(visitor, name)
  })
})

const views: [string, string, string][] = [
  ['hostile conversation', 'hostile', '?step=tell&panel=output'],
  ['graph', 'parallel', '?tab=graph'],
  ['files', 'media', '?tab=files'],
  ['graph of a thousand steps', 'chain', '?tab=graph'],
  ['log', 'failed-retry', '?tab=log'],
  ['transcript', 'runbook', '?tab=transcript'],
  ['input', 'media', '?tab=input'],
  ['conversation', 'chat', '?step=look&panel=output'],
  ['inputs and where they came from', 'rerun', '?step=draft&panel=input'],
  ['child runs', 'fan-out', '?step=analyses&panel=runs'],
  ['hostile log', 'hostile', '?tab=log'],
  ['large value', 'large-values', '?step=text&panel=output'],
  ['config', 'branch', '?step=check&panel=config'],
  ['attempts', 'failed-retry', '?step=send&panel=attempts'],
]

describe.each(isWhole ? views : views.slice(0, 2))('the view %s', (view, name, search) => {
  it('is sound', async () => {
    visitor.faults.length = 0
    await visitor.page.goto(readFixture(name).page + search)
    await visitor.page.getByRole('tabpanel').first().waitFor()
    await visitor.page.waitForLoadState('networkidle')
    await takeShots(visitor, `view-${view.replaceAll(' ', '-')}`)
    await expectSound(visitor, view)
  })
})

describe.each(isWhole ? playgroundFixtures : playgroundFixtures.slice(-2))('the page of $name', (fixture) => {
  it('is sound', async () => {
    const { page } = visitor
    await page.goto('/-/gallery') // a playground that is left would store its own draft
    const stored = JSON.stringify(JSON.stringify(fixture.draft))
    await evaluate(page, `sessionStorage.setItem('jetty.playground', ${stored})`)
    await visit(fixture.page)
    if (fixture.isSent) {
      await page.getByRole('button', { name: 'Send' }).click()
      await page.getByText('that reaches').first().waitFor()
    }
    await page.getByText('gpt-4o-mini').first().waitFor()
    await page.waitForLoadState('load')
    await takeShots(visitor, fixture.name)
    await expectSound(visitor, fixture.name)
  })
})

describe.each(tabFixtures.map(({ name, page }) => [name, page] as const))('the tab %s', (name, page) => {
  it('is sound', async () => {
    await visit(page)
    await visitor.page.waitForLoadState('networkidle')
    await takeShots(visitor, `tab-${name}`)
    await expectSound(visitor, name)
  })
})

it('asked for nothing that was not recorded', () => {
  expect([...new Set(server.missed)]).toEqual([])
})
