// Each page of the settings in each of its states: readable at every width, accessible in both schemes, without faults.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { settingsFixtures, settingsShell } from '../../web/fixtures/settings.ts'
import { builtProgram } from '../shared.ts'
import { type FixtureServer, startFixtureServer } from './fixture-server.ts'
import { bringAxe, expectSound, isWhole, newVisitor, takeShots, type Visitor } from './pages.ts'

let server: FixtureServer
let visitor: Visitor
let answers: Readonly<Record<string, unknown>> = {}
const missed = new Set<string>()

beforeAll(async () => {
  await builtProgram()
  server = await startFixtureServer()
  visitor = await newVisitor(server.url)
  await visitor.context.addInitScript({ content: "localStorage.setItem('jetty.session', 'fixture')" })
  await bringAxe(visitor)
  await visitor.page.clock.setFixedTime(new Date('2026-11-28T12:00:00Z'))
  await visitor.context.route('**/api/**', (route, request) => {
    const asked = `${request.method()} ${new URL(request.url()).pathname}`
    const known: Readonly<Record<string, unknown>> = { ...settingsShell, ...answers }
    if (!Object.hasOwn(known, asked)) missed.add(asked)
    return route.fulfill({ json: known[asked] ?? { detail: 'Not recorded' }, status: asked in known ? 200 : 404 })
  })
})
afterAll(async () => {
  await visitor?.close()
  await server?.close()
})

/** All states take minutes: in `npm test` those are looked at that have the most in them. */
const few = ['keys', 'environment-paste', 'hooks', 'hooks-new', 'webhooks', 'server-health', 'server-providers']
const shown = settingsFixtures.filter(
  ({ name }) => isWhole || process.env.TEST_SHOTS !== undefined || few.includes(name),
)

test.each(shown)('$name', async ({ name, page: address, answers: given, press }) => {
  const { page, faults } = visitor
  answers = given
  faults.length = 0
  await page.goto(address)
  await page.getByRole('heading', { level: 1 }).waitFor()
  if (press) await page.getByRole('button', { name: press, exact: true }).first().click()
  await page.waitForLoadState('networkidle')
  await takeShots(visitor, `settings-${name}`)
  await expectSound(visitor, name)
})

test('a page of the server asks for nothing of another one before it is known who looks', async () => {
  const { page, context } = visitor
  answers = settingsFixtures.find(({ name }) => name === 'server-health')?.answers ?? {}
  let answer = () => {}
  const isKnown = new Promise<void>((resolve) => {
    answer = resolve
  })
  await context.route('**/api/v1/auth/whoami', async (route) => {
    await isKnown
    await route.fallback()
  })
  await page.goto('/settings/health')
  await page.locator('main[aria-busy]').waitFor({ state: 'attached' })
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 300))) // in which a wrong page would ask
  answer()
  await page.getByRole('heading', { level: 1, name: 'Health and queue' }).waitFor()
  await context.unroute('**/api/v1/auth/whoami')
})

test('asked for nothing that was not recorded', () => {
  expect([...missed]).toEqual([])
})
