import { type Browser, type BrowserContext, type CDPSession, chromium, type Page } from 'playwright-core'
import { startChromium } from '../../test/e2e/chromium.ts'

/** A browser that pages are measured in, and its tabs. */
export interface MeasuredBrowser {
  browser: Browser
  close(): Promise<void>
}

/** A tab of a person of its own: no other tab shares its connections, cookies and cache. */
export interface Tab {
  context: BrowserContext
  page: Page
  session: CDPSession
  /** Evaluates an expression; a promise is waited for. */
  evaluate<Result>(expression: string): Promise<Result>
  close(): Promise<void>
}

export const openBrowser = async (): Promise<MeasuredBrowser> => {
  const server = await startChromium()
  const browser = await chromium.connect(server.wsEndpoint())
  return {
    browser,
    async close() {
      await browser.close()
      await server.close()
    },
  }
}

/** Opens a tab; `script` runs in each page before its own scripts do. */
export const openTab = async ({ browser }: MeasuredBrowser, url: string, script = ''): Promise<Tab> => {
  const context = await browser.newContext({ baseURL: url, viewport: { width: 1280, height: 800 } })
  await context.addInitScript({ content: script })
  const page = await context.newPage()
  const session = await context.newCDPSession(page)
  return {
    context,
    page,
    session,
    // By the protocol: the policy of the pages refuses the text of a script.
    async evaluate<Result>(expression: string) {
      const { result, exceptionDetails } = await session.send('Runtime.evaluate', {
        expression,
        awaitPromise: true,
        returnByValue: true,
      })
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
      return result.value as Result
    },
    close: () => context.close(),
  }
}

/** Script that gives a page the half of a session that scripts send. */
export const sessionScript = (half: string): string => `localStorage.setItem('jetty.session', ${JSON.stringify(half)});`

/** Opens a tab that is signed in to a server. */
export const openSignedInTab = async (
  browser: MeasuredBrowser,
  { url, adminToken }: { url: string; adminToken: string },
  script = '',
): Promise<Tab> => {
  const tab = await openTab(browser, url, script)
  const answer = await tab.context.request.post('/api/v1/session', { data: { token: adminToken } })
  const { session } = (await answer.json()) as { session: string }
  await tab.context.addInitScript({ content: sessionScript(session) })
  return tab
}
