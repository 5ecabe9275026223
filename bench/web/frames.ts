import { readFixture, startFixtureServer } from '../../test/e2e/fixture-server.ts'
import { percentile, sum } from '../lib/numbers.ts'
import type { Stage } from '../lib/stage.ts'
import { type MeasuredBrowser, openTab, sessionScript, type Tab } from './browser.ts'
import { manyRuns } from './many-runs.ts'
import { jump, type Movement, pressKeys, type ScrolledList, scroll } from './movement.ts'

const runs: ScrolledList = { box: ':has(> [role=grid][aria-label=Runs])', row: '[role=row][aria-rowindex]', head: 28 }
const timeline: ScrolledList = { box: '[role=treegrid][aria-label=Steps]', row: '[role=row]', head: 0 }
const log: ScrolledList = { box: '[role=log]', row: 'button', head: 0 }
const floor: ScrolledList = { box: '#box', row: 'p', head: 0 }

/** As many texts as the window of a list has, and the height of all its rows: what scrolling costs without any code. */
const emptyPage = `<!doctype html><style>p { margin: 0; height: 36px } #box { height: 100vh; overflow: auto }</style>
  <div id=box>${'<p>a row</p>'.repeat(10_000)}</div>`

/** What a list at rest has is its first rows: the end of its loading is not part of a movement. */
const settle = async (tab: Tab, list: ScrolledList): Promise<void> => {
  await tab.page.locator(`${list.box} ${list.row}`).first().waitFor()
  await new Promise((resolve) => setTimeout(resolve, 2000))
}

const repeated = (count: number, key: string): string[] => Array.from({ length: count }, () => key)
/** Steps of the recorded run that were recorded with their values. */
const recordedSteps = 18

/** Measures the CPU of the main thread a frame, and looks for frames without rows. */
export const measureFrames = async ({ report }: Stage, browser: MeasuredBrowser, isQuick: boolean): Promise<void> => {
  const chain = readFixture('runs', 'chain')
  const many = manyRuns(10_000)
  const server = await startFixtureServer({ more: [many] })
  const rows: (string | number)[][] = [
    ['', 'frames', 'ms p50', 'p95', 'most', 'p50 to floor', 'ms a key', 'blank frames'],
  ]
  const seconds = isQuick ? 2 : 8
  const rounds = isQuick ? 1 : 4
  let floorMs = Number.NaN
  const told = (title: string, { cpu, blank }: Movement, keys = 0): void => {
    const middle = percentile(cpu, 0.5)
    if (title === 'floor: a page without code, scrolled') floorMs = middle
    else {
      report.aim(`${title}, CPU a frame, p95`, percentile(cpu, 0.95), 'at most', 10, ' ms')
      report.figure(`${title}, CPU a frame, p50 to a page without code`, middle / floorMs, ' ×')
      report.aim(`${title}, blank frames`, blank, 'at most', 0)
    }
    const aKey = keys === 0 ? '' : sum(cpu) / keys
    rows.push([
      title,
      cpu.length,
      middle,
      percentile(cpu, 0.95),
      Math.max(...cpu),
      middle / floorMs,
      aKey,
      String(blank),
    ])
  }
  const keysOf = (key: string, count: number, back: string) =>
    Array.from({ length: rounds }, () => [...repeated(count, key), ...repeated(count, back)]).flat()

  const empty = await openTab(browser, server.url)
  await empty.page.setContent(emptyPage)
  await settle(empty, floor)
  told('floor: a page without code, scrolled', await scroll(browser, empty, floor, seconds))
  await empty.close()

  const tab = await openTab(browser, server.url, sessionScript('fixture'))
  const visit = async (title: string, path: string, list: ScrolledList, keys: string[]) => {
    await tab.page.goto(path)
    await settle(tab, list)
    told(`${title}, scrolled`, await scroll(browser, tab, list, seconds))
    told(`${title}, scroll bar dragged`, await jump(browser, tab, list, isQuick ? 20 : 60))
    await tab.page.goto(path)
    await settle(tab, list)
    if (keys.length > 0) told(`${title}, selected by key`, await pressKeys(browser, tab, list, keys), keys.length)
  }
  await visit('timeline of 1,000 steps', chain.page, timeline, keysOf('j', recordedSteps, 'k'))
  await visit('log of 1,000 steps', `${chain.page}?tab=log`, log, keysOf('j', recordedSteps, 'k'))
  await visit('list of 10,000 runs', many.page, runs, [...keysOf('j', 30, 'k'), ...keysOf('x', 1, 'j')])
  await tab.close()
  await server.close()
  report.table('CPU of the main thread a frame, at 6,000 px/s', rows)
  if (server.missed.length > 0) report.note(`not recorded: ${[...new Set(server.missed)].join(', ')}`)
}
