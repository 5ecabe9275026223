/**
 * The pages in a browser: bytes of their files, CPU a frame, the first rows of a list and of a trace, and what open tabs cost
 * a server.
 * Arguments choose parts (`bytes`, `frames`, `first-rows`, `first-spans`, `tabs`); `--quick` measures less, and 20,000 runs
 * instead of a million.
 */
import { isQuick } from './lib/quick.ts'
import { stage } from './lib/stage.ts'
import { openBrowser } from './web/browser.ts'
import { measureBytes } from './web/bytes.ts'
import { measureFirstRows } from './web/first-rows.ts'
import { measureFirstSpans } from './web/first-spans.ts'
import { measureFrames } from './web/frames.ts'
import { measureTabs } from './web/tabs.ts'

const parts = ['bytes', 'frames', 'first-rows', 'first-spans', 'tabs']
const named = parts.filter((part) => process.argv.includes(part))
const isWanted = (part: string) => named.length === 0 || named.includes(part)

const measure = (browserOf: () => ReturnType<typeof openBrowser>) =>
  stage(
    'web',
    async (made) => {
      if (isWanted('bytes')) measureBytes(made.report)
      if (isWanted('frames')) await measureFrames(made, await browserOf(), isQuick)
      if (isWanted('tabs')) await measureTabs(made, await browserOf(), isQuick)
      if (isWanted('first-spans')) await measureFirstSpans(made, await browserOf(), isQuick)
      if (isWanted('first-rows')) await measureFirstRows(made, await browserOf(), isQuick)
    },
    { longestSeconds: isQuick ? 600 : 3600, needed: parts.slice(1).some(isWanted) ? ['chromium'] : [] },
  )

let browser: ReturnType<typeof openBrowser> | undefined
try {
  await measure(() => {
    browser ??= openBrowser()
    return browser
  })
} finally {
  await (await browser)?.close()
}
