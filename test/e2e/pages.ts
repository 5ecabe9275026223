import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Browser, BrowserContext, CDPSession, Page, Request } from 'playwright-core'
import { expect } from 'vitest'
import { openChromium } from './chromium.ts'

/** Axe, which copies the markup of no element that it looks at: a tenth of its time. */
const axe = `${readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')}
axe.configure({ noHtml: true })`

/** The widths at which every page must be readable: a phone, a tablet, a small desktop. */
const widths = [390, 768, 1280] as const
const schemes = ['light', 'dark'] as const

/** A browser context with one person in it, and what went wrong in its pages. */
export interface Visitor {
  context: BrowserContext
  page: Page
  /** Errors of the console and of scripts, and violations of the content security policy. */
  faults: string[]
  close: () => Promise<void>
}

const tellViolations = `document.addEventListener('securitypolicyviolation', (event) =>
  console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sample))`

/** Of this worker: one for all workers would get every message through the process that runs them. */
let browser: Promise<Browser> | undefined

/** Opens a context of its own in the browser that the test files of this worker share. */
export const newVisitor = async (url: string): Promise<Visitor> => {
  browser ??= openChromium()
  const context = await (await browser).newContext({
    baseURL: url,
    viewport: { width: 1280, height: 800 },
    colorScheme: 'light',
    reducedMotion: 'reduce',
  })
  const faults: string[] = []
  await context.addInitScript({ content: tellViolations })
  context.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text())
  })
  context.on('weberror', (event) => faults.push(String(event.error())))
  context.setDefaultTimeout(120_000)
  return { context, page: await context.newPage(), faults, close: () => context.close() }
}

/**
 * Notes which lists of runs a page asks for from now on. The function that it returns waits until none is under way: until
 * then a new run may become part of one of them, and is not announced.
 */
export const countLists = ({ page }: Visitor): (() => Promise<void>) => {
  const underWay = new Set<Request>()
  const isList = (request: Request) => /^\/api\/v1\/runs\/[^/]+$/.test(new URL(request.url()).pathname)
  page.on('request', (request) => isList(request) && underWay.add(request))
  for (const end of ['requestfinished', 'requestfailed'] as const) {
    page.on(end as 'requestfinished', (request) => underWay.delete(request))
  }
  return () => expect.poll(() => underWay.size).toBe(0)
}

/** Messages that the browser itself writes for an answer that is no success; tests that provoke one take them out. */
export const withoutAnswers = (faults: string[]): string[] =>
  faults.filter((fault) => !/^Failed to load resource: the server responded with a status of/.test(fault))

const sessions = new WeakMap<Page, Promise<CDPSession>>()

const sessionOf = (page: Page): Promise<CDPSession> => {
  const session = sessions.get(page) ?? page.context().newCDPSession(page)
  sessions.set(page, session)
  return session
}

/**
 * Evaluates an expression in a page by the protocol of the browser: the policy of the page allows no script but its own,
 * and the types of these tests know no `document`.
 */
export const evaluate = async (page: Page, expression: string): Promise<unknown> => {
  const session = await sessionOf(page)
  const { result, exceptionDetails } = await session.send('Runtime.evaluate', {
    expression,
    awaitPromise: true,
    returnByValue: true,
  })
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
  return result.value
}

/** Says which element makes a page wider than its window; an empty text: none. */
const overflow = (page: Page) =>
  evaluate(
    page,
    `(() => {
      const { scrollWidth, clientWidth } = document.documentElement
      if (scrollWidth <= clientWidth) return ''
      const wide = [...document.body.querySelectorAll('*')].findLast((node) => node.getBoundingClientRect().right > clientWidth + 1)
      return scrollWidth + ' px: ' + wide?.outerHTML.slice(0, 300)
    })()`,
  )

/** Brings axe with every document that a visitor opens from now on: it is sent once, and Chromium keeps it compiled. */
export const bringAxe = ({ context }: Visitor): Promise<unknown> => context.addInitScript({ content: axe })

/** What axe finds fault with, as one line each; `rules` are some of its rules, in the place of all. */
const complaints = async (page: Page, rules?: string[]): Promise<unknown> => {
  if (!(await evaluate(page, 'globalThis.axe !== undefined'))) await evaluate(page, axe)
  const options = { resultTypes: ['violations'], preload: { assets: ['media'] }, ...(rules && { runOnly: rules }) }
  return evaluate(
    page,
    `axe.run(document, ${JSON.stringify(options)}).then(({ violations }) => violations.flatMap(({ impact, id, nodes }) =>
      nodes.map(({ target, failureSummary }) => impact + ' ' + id + ': ' + target.join(' ') + ' ' + failureSummary)))`,
  )
}

/** The markup of the page, and that of the shadow roots in it. */
const markup = `[document.body, ...[...document.querySelectorAll('*')].flatMap(({ shadowRoot }) => shadowRoot ?? [])]
  .map((node) => node.innerHTML).join()`

/** The rules of axe whose verdict depends on colours, and not on the markup alone. */
const rulesOfColour = ['color-contrast', 'link-in-text-block']

/** With TEST_WEB=whole every state is looked at in both schemes: `npm run test:web`. */
export const isWhole = process.env.TEST_WEB === 'whole'

/** The scheme in which a state is looked at when there is time for one: half of them each, always the same ones. */
const schemeOf = (what: string): (typeof schemes)[number] =>
  [...what].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 2 === 0 ? 'light' : 'dark'

/** Checks what every page must be in every state: within its window, accessible in its scheme, and without faults. */
export const expectSound = async ({ page, faults }: Visitor, what: string): Promise<void> => {
  for (const width of widths) {
    await page.setViewportSize({ width, height: 800 })
    expect(await overflow(page), `${what} at ${width} px`).toBe('')
  }
  const scheme = isWhole ? 'light' : schemeOf(what)
  if (scheme === 'dark') await page.emulateMedia({ colorScheme: 'dark' })
  expect(await complaints(page), `${what}, ${scheme}`).toEqual([])
  if (isWhole) {
    await evaluate(page, `globalThis.lightMarkup = ${markup}; true`)
    await page.emulateMedia({ colorScheme: 'dark' })
    // Of the same markup the other rules say the same in the dark.
    const isSame = await evaluate(page, `globalThis.lightMarkup === ${markup}`)
    expect(await complaints(page, isSame ? rulesOfColour : undefined), `${what}, dark`).toEqual([])
  }
  await page.emulateMedia({ colorScheme: 'light' })
  expect(withoutAnswers(faults), what).toEqual([])
}

const shots = process.env.TEST_SHOTS

/** Takes pictures of a page for people to look at, where TEST_SHOTS names a folder. */
export const takeShots = async ({ page }: Visitor, name: string): Promise<void> => {
  if (!shots) return
  for (const colorScheme of schemes) {
    for (const [device, width, height] of [
      ['desktop', 1280, 800],
      ['phone', 390, 844],
    ] as const) {
      await page.setViewportSize({ width, height })
      await page.emulateMedia({ colorScheme })
      await page.screenshot({ path: `${shots}/${name}-${device}-${colorScheme}.png` })
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 })
  await page.emulateMedia({ colorScheme: 'light' })
}
