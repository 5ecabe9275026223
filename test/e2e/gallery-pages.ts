import type { Page } from 'playwright-core'
import { pause } from '../../src/lib/time.ts'
import { fixturePages } from '../../web/fixtures/pages.ts'
import { playgroundFixtures } from '../../web/fixtures/playground.ts'
import { settingsFixtures, settingsShell } from '../../web/fixtures/settings.ts'
import { fixtureShapes } from '../../web/fixtures/shapes.ts'
import { conversationFixtures } from './conversation-fixtures.ts'
import { datasetFixtures } from './dataset-fixtures.ts'
import { readFixture } from './fixture-server.ts'
import { newPageFixtures } from './new-page-fixtures.ts'
import { evaluate } from './pages.ts'
import { stepFormFixtures } from './step-form-fixtures.ts'
import { tabFixtures } from './tab-fixtures.ts'
import { toolFixtures } from './tool-fixtures.ts'

/** A page in one of its states. */
export interface GalleryPage {
  name: string
  address: string
  /** When it is looked at. */
  now: string
  /** The draft of the playground that the tab holds. */
  draft?: unknown
  /** What the API answers in the place of what was recorded, by `GET /path`. */
  answers?: Readonly<Record<string, unknown>>
  /** Brings the loaded page into the state. */
  act?: Act
}

/** When what was written by hand is looked at. */
const writtenNow = '2026-11-28T12:00:00Z'

const views: [name: string, run: string, search: string][] = [
  ['hostile-conversation', 'hostile', '?step=tell&panel=output'],
  ['hostile-log', 'hostile', '?tab=log'],
  ['graph', 'parallel', '?tab=graph'],
  ['graph-thousand', 'chain', '?tab=graph'],
  ['log', 'failed-retry', '?tab=log'],
  ['files', 'media', '?tab=files'],
  ['input', 'media', '?tab=input'],
  ['transcript', 'runbook', '?tab=transcript'],
  ['conversation', 'chat', '?step=look&panel=output'],
  ['inputs', 'rerun', '?step=draft&panel=input'],
  ['child-runs', 'fan-out', '?step=analyses&panel=runs'],
  ['large-value', 'large-values', '?step=text&panel=output'],
  ['config', 'branch', '?step=check&panel=config'],
  ['attempts', 'failed-retry', '?step=send&panel=attempts'],
]

const quietMs = 200

type Act = (page: Page) => Promise<unknown>

const inTurn =
  (...acts: Act[]): Act =>
  async (page) => {
    for (const act of acts) await act(page)
  }
const press =
  (...keys: string[]) =>
  async (page: Page): Promise<void> => {
    for (const key of keys) await page.keyboard.press(key)
  }
const click =
  (...names: (string | RegExp)[]) =>
  async (page: Page): Promise<void> => {
    for (const name of names) await page.getByRole('button', { name }).first().click()
  }

const clickExactly =
  (name: string): Act =>
  (page) =>
    page.getByRole('button', { name, exact: true }).first().click()
const send: Act = async (page) => {
  await page.getByRole('button', { name: 'Send' }).click()
  await page.getByText('that reaches').first().waitFor()
}

/** On a phone the panel beside the text is behind a button. */
const openPanel: Act = async (page) => {
  const button = page.getByRole('button', { name: 'Steps and problems' })
  if (await button.isVisible()) await button.click()
}

/** What opens over a page. */
const opened: [name: string, page: string, act: Act][] = [
  ['commands', 'overview', press('Control+k')],
  ['help', 'runs', press('?')],
  ['filters', 'runs', click('Filter')],
  ['save-view', 'runs-not-found', click('Save view')],
  ['selected', 'runs', press('j', 'x', 'j', 'x', 'j', 'x')],
  ['label-many', 'runs', press('j', 'x', 'j', 'x', 'l')],
  ['rerun-many', 'runs', inTurn(press('j', 'x'), click('Re-run…'))],
  ['person', 'collections', click('You and this browser')],
  [
    'try-step',
    'task-definition',
    inTurn(openPanel, (page) => page.getByRole('tab', { name: 'Graph' }).click(), click(/draft/)),
  ],
  ['new-routine', 'task-routines', click('New routine')],
  ['add-run', 'compare', click(/Add a run/)],
  ['differences', 'compare', click('draft', 'save')],
]

/** What opens over the page of a run. */
const openedRuns: [name: string, run: string, act: Act][] = [
  ['rerun-menu', 'failed-retry', press('r')],
  [
    'rerun-edit',
    'rerun',
    inTurn(press('r'), (page) => page.getByRole('menuitem', { name: 'With other parameters' }).click()),
  ],
  ['more', 'failed-retry', click('More, and the command line')],
  ['label', 'one-step', press('l')],
  ['cancel', 'running', click('Cancel')],
]

const type =
  (label: string, text: string): Act =>
  (page) =>
    page.getByLabel(label).fill(text)

/** Pages of the documentation, with what opens on them. */
const documentation: [name: string, address: string, act?: Act][] = [
  ['', '/docs'],
  ['-article', '/docs/concepts'],
  ['-reference', '/docs/reference/settings'],
  ['-not-found', '/docs/nothing'],
  ['-search', '/docs/concepts', type('Search the documentation', 'retry')],
  ['-search-none', '/docs', type('Search the documentation', 'zebra crossing')],
  [
    '-api',
    '/docs/api',
    inTurn(type('Find a call', 'runs'), (page) => page.locator('#listCollectionRuns > summary').click()),
  ],
  ['-api-none', '/docs/api', type('Find a call', 'zebra')],
]

/** What opens over the page of a dataset. */
const openedDatasets: [name: string, search: string, act: Act][] = [
  ['cell', '?tab=files', (page) => page.getByRole('gridcell', { name: 'Why' }).click()],
  ['box', '?tab=lineage', click(/40 runs|41 runs|42 runs|43 runs/)],
  [
    'add-many',
    '',
    inTurn(click('Add many'), (page) => page.getByLabel(/^Paste/).fill('id,question'), clickExactly('Check')),
  ],
  ['edit-item', '?item=harbours', click('Edit the item')],
]

const byName = new Map(
  [
    ...fixtureShapes.map(({ name }) => ['runs', name] as const),
    ...fixturePages.map(({ name }) => ['pages', name] as const),
  ].map(([kind, name]) => [name, readFixture(kind, name)]),
)
const at = (fixture: string, search = '') => {
  const found = byName.get(fixture)
  if (!found) throw new Error(`There is no fixture ${fixture}`)
  return { address: found.page + search, now: found.now }
}

/** Every page in every state that a picture is taken of, and that is checked. */
export const galleryPages: readonly GalleryPage[] = [
  { name: 'sign-in', ...at('collections'), address: '/sign-in' },
  { name: 'not-found', ...at('collections'), address: '/-/nowhere' },
  ...fixturePages.map(({ name }) => ({ name, ...at(name) })),
  ...opened.map(([name, page, act]) => ({ name: `open-${name}`, ...at(page), act })),
  ...fixtureShapes.map(({ name }) => ({ name: `run-${name}`, ...at(name) })),
  ...views.map(([name, run, search]) => ({ name: `run-view-${name}`, ...at(run, search) })),
  ...openedRuns.map(([name, run, act]) => ({ name: `run-open-${name}`, ...at(run), act })),
  ...tabFixtures.map(({ name, page, now }) => ({ name: `tab-${name}`, address: page, now })),
  ...datasetFixtures.map(({ name, page, now }) => ({ name, address: page, now })),
  ...conversationFixtures.map(({ name, page, now }) => ({ name, address: page, now })),
  ...toolFixtures.map(({ name, page, answers }) => ({ name, address: page, now: writtenNow, answers })),
  ...newPageFixtures.map(({ name, page, answers }) => ({ name, address: page, now: writtenNow, answers })),
  ...stepFormFixtures.map(({ name, page, answers, step }) => ({
    ...{ name, address: page, now: writtenNow, answers },
    act: inTurn(
      openPanel,
      (shown) => shown.getByRole('tab', { name: 'Steps' }).click(),
      click(new RegExp(`(^|error )${step}\\b`)),
    ),
  })),
  ...documentation.map(([name, address, act]) => ({
    name: `docs${name}`,
    address,
    now: writtenNow,
    ...(act && { act }),
  })),
  ...openedDatasets.map(([name, search, act]) => ({
    ...{ name: `dataset-open-${name}`, address: `/fixtures/-/datasets/questions${search}`, now: writtenNow, act },
  })),
  ...playgroundFixtures.map(({ name, page, draft, isSent }) => ({
    ...{ name, address: page, now: writtenNow, draft },
    ...(isSent && { act: send }),
  })),
  ...settingsFixtures.map(({ name, page, answers, press: pressed }) => ({
    ...{ name: `settings-${name}`, address: page, now: writtenNow, answers: { ...settingsShell, ...answers } },
    ...(pressed !== undefined && { act: clickExactly(pressed) }),
  })),
]

/** What the API answers in the states that have answers of their own, for a fixture server. */
export const galleryStates: ReadonlyMap<string, Readonly<Record<string, unknown>>> = new Map(
  galleryPages.flatMap(({ name, answers }) => (answers ? [[name, answers] as const] : [])),
)

/** What the last page was told, of which the next one must hear nothing. */
const told = new WeakMap<Page, { dispose: () => Promise<void> }>()

/**
 * Tells the next document of a page what time it is and, in a cookie for the fixture server, which state it shows. The clock
 * of Playwright would carry out timers and frames by itself, and its routes would keep the browser from caching anything.
 */
const tell = async (page: Page, { name, now }: GalleryPage): Promise<void> => {
  await told.get(page)?.dispose()
  const content = `
    globalThis.Date = class extends Date {
      constructor(...values) { values.length === 0 ? super(${Date.parse(now)}) : super(...values) }
      static now() { return ${Date.parse(now)} }
    }
    try { document.cookie = 'gallery=${name}; path=/' } catch {} // a PDF has no cookies`
  told.set(page, await page.addInitScript({ content }))
}

/** Opens a page of the gallery in its state, once it has everything that it asks for. */
export const showGalleryPage = async (page: Page, shown: GalleryPage): Promise<void> => {
  const { address, draft, act } = shown
  await tell(page, shown)
  if (draft) {
    await page.goto('/-/gallery') // a playground that is left would store its own draft
    const stored = JSON.stringify(JSON.stringify(draft))
    await evaluate(page, `sessionStorage.setItem('jetty.playground', ${stored})`)
  }
  await page.goto(address)
  await until(page, `document.querySelector('main') !== null`)
  await settle(page)
  if (!act) return
  await act(page)
  await settle(page)
}

const longestMs = 30_000

/** Waits until an expression is true in a page. A locator would first evaluate all of Playwright's script there, in each page. */
const until = async (page: Page, condition: string): Promise<void> => {
  const begun = performance.now()
  while ((await evaluate(page, condition)) !== true) {
    if (performance.now() - begun > longestMs) throw new Error(`${page.url()} does not become: ${condition}`)
    await pause(20)
  }
}

/** Waits until nothing has been asked or answered for a moment: streams stay open, so the network is never idle. */
const settle = async (page: Page): Promise<void> => {
  let last = performance.now()
  const note = () => {
    last = performance.now()
  }
  page.on('request', note).on('requestfinished', note)
  let seen: number
  do {
    while (performance.now() - last < quietMs) await pause(20)
    seen = last
    // A page that has just loaded a script is at work, and may ask for more after it.
    await evaluate(page, 'new Promise((resolve) => requestIdleCallback(resolve, { timeout: 2000 }))')
  } while (seen !== last)
  await until(page, `!/loading…/i.test(document.body.innerText)`)
  page.off('request', note).off('requestfinished', note)
}
