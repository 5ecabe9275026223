import { openDatabase } from '../../src/store/database/database.ts'
import type { JettyServer } from '../lib/server.ts'
import type { Stage } from '../lib/stage.ts'
import { idleUsage, usageApart, usageRatios, withPostgres } from '../lib/usage.ts'
import { watchStream } from '../lib/watch-stream.ts'
import { type MeasuredBrowser, openSignedInTab } from './browser.ts'

const tabs = { real: 10, streams: 90 }
const runs = 50

const fill = async (server: JettyServer): Promise<void> => {
  const workflow = { step_configs: { say: { activity: 'text_echo', text: 'hello' } }, steps: ['say'] }
  await server.call('POST', '/api/v1/tasks/demo', { name: 'echo', workflow })
  for (let at = 0; at < runs; at++) await server.call('POST', '/api/v1/run-sync/demo/echo', {})
}

/**
 * Measures what 100 seen tabs with a list of runs cost a server in which nothing happens. Ten are tabs of a browser, each
 * of a person of its own; a hundred of these would need the whole machine. The others are HTTP clients that hold what such
 * a tab holds: the stream of its collection. A tab that nobody sees holds nothing, so 100 people are the worst case.
 */
export const measureTabs = async (
  { report, jetty, createDatabase, postgres }: Stage,
  browser: MeasuredBrowser,
  isQuick: boolean,
): Promise<void> => {
  const watched = await jetty({ environment: { DATABASE_URL: await createDatabase('watched') } })
  const alone = await jetty({ environment: { DATABASE_URL: await createDatabase('alone') } })
  await fill(watched)
  await fill(alone)
  const monitor = openDatabase((await postgres()).url, { connections: 1 })
  const opened = await Promise.all(Array.from({ length: tabs.real }, () => openSignedInTab(browser, watched)))
  const asked: string[] = []
  for (const { page } of opened) {
    await page.goto('/demo/-/runs')
    await page.locator('[role=row][aria-rowindex="2"]').waitFor()
    page.on('request', (request) => void asked.push(new URL(request.url()).pathname))
  }
  const streams = await Promise.all(
    Array.from({ length: tabs.streams }, () => watchStream(watched, 'collections/demo/events')),
  )
  const [rounds, seconds] = isQuick ? [1, 10] : [3, 20]
  let begun = Number.NaN
  const lines = await idleUsage(
    monitor,
    [
      { name: `${tabs.real + tabs.streams} tabs`, database: 'watched', pid: watched.pid },
      { name: 'no tab', database: 'alone', pid: alone.pid },
    ],
    {
      ...{ rounds, seconds },
      // The tabs have loaded what they show by now.
      onBegin() {
        begun = performance.now()
        asked.length = 0
      },
    },
  )
  const perMinute = (asked.length / (performance.now() - begun)) * 60_000
  await monitor.close()
  const started = performance.now()
  await watched.call('POST', '/api/v1/run-sync/demo/echo', {})
  await Promise.all(opened.map(({ page }) => page.getByRole('button', { name: /new run/ }).waitFor()))
  const liveMs = performance.now() - started
  for (const one of streams) one.destroy()
  await Promise.all(opened.map((tab) => tab.close()))
  await Promise.all([watched.stop(), alone.stop()])

  report.table(`an idle server, median of ${rounds} × ${seconds} s`, [
    ['', 'transactions/s', 'Node % of a core', 'with Postgres'],
    ...lines.map(({ name, transactions, node, postgres: sessions }) => [name, transactions, node, node + sessions]),
  ])
  if (asked.length > 0) report.note(`idle tabs asked for ${[...new Set(asked)].join(', ')}`)
  report.note(`a run is announced in all ${tabs.real} tabs ${Math.round(liveMs)} ms after it was asked for`)
  report.figure('until all tabs announce a run', liveMs, ' ms')
  report.aim(`requests a minute of ${tabs.real} idle tabs`, perMinute, 'at most', 0)
  const [ours, floor] = lines
  if (!ours || !floor) return
  const more = (pick: Parameters<typeof usageApart>[2]) => usageApart(ours, floor, pick)
  report.figure('CPU to no tab', usageRatios(ours, floor, withPostgres), ' ×')
  report.aim(
    'transactions a second for 100 tabs',
    more((one) => one.transactions),
    'at most',
    3,
  )
  report.aim('CPU for 100 tabs', more(withPostgres), 'at most', 2, ' % of a core')
}
