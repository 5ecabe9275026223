import { fillCollections } from '../lib/filled-collection.ts'
import { median, percentile, ratios } from '../lib/numbers.ts'
import type { Stage } from '../lib/stage.ts'
import { type MeasuredBrowser, openSignedInTab } from './browser.ts'

/** Notes when the first row of a list has been painted, in ms from the navigation on. */
const noteFirstRow = `globalThis.firstRow = new Promise((resolve) => {
  new MutationObserver((_, observer) => {
    if (!document.querySelector('[role=row][aria-rowindex="2"]')) return
    observer.disconnect()
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now())))
  }).observe(document, { childList: true, subtree: true })
});`

interface Times {
  page: number[]
  api: number[]
}

/** Measures from a navigation to the first row of the list of runs, small and large in turns. */
export const measureFirstRows = async (
  { report, jetty, createDatabase }: Stage,
  browser: MeasuredBrowser,
  isQuick: boolean,
): Promise<void> => {
  const sizes = { small: 1_000, large: isQuick ? 20_000 : 1_000_000 }
  const url = await createDatabase('rows')
  const server = await jetty({ environment: { DATABASE_URL: url } })
  await fillCollections(url, sizes)

  const tab = await openSignedInTab(browser, server, noteFirstRow)
  const names = Object.keys(sizes) as (keyof typeof sizes)[]
  const times: Record<keyof typeof sizes, Times> = { small: { page: [], api: [] }, large: { page: [], api: [] } }
  const rounds = isQuick ? 5 : 20
  for (let round = -2; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      await tab.page.goto(`/${name}/-/runs`)
      const page = await tab.evaluate<number>('firstRow')
      await tab.page.goto('/-/nothing') // whose requests are over before the call alone
      const begun = performance.now()
      await server.call('GET', `/api/v1/runs/${name}?top_level=true&limit=50`)
      const api = performance.now() - begun
      if (round < 0) continue // warms up
      times[name].page.push(page)
      times[name].api.push(api)
    }
  }
  await tab.close()
  await server.stop()
  report.table(`from the navigation to the first row, ${rounds} times each, files in the cache`, [
    ['runs', 'ms p50', 'ms p95', 'the API alone, ms p50', 'to the API'],
    ...names.map((name) => {
      const { page, api } = times[name]
      return [
        sizes[name].toLocaleString('en'),
        median(page),
        percentile(page, 0.95),
        median(api),
        median(page) / median(api),
      ]
    }),
  ])
  const { small, large } = times
  const title = `first row at ${sizes.large.toLocaleString('en')} runs`
  report.aim(`${title}, to 1,000`, ratios(large.page, small.page), 'at most', 1.5, ' ×')
  report.aim(`${title}, p50`, large.page, 'at most', 1_000, ' ms')
  report.figure(`${title}, to the request alone`, ratios(large.page, large.api), ' ×')
}
