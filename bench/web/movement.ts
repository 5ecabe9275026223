import type { MeasuredBrowser, Tab } from './browser.ts'
import { traceFrames } from './trace.ts'

/** A list in a page: what scrolls, its rows, and the height of what sticks above them, in px. */
export interface ScrolledList {
  box: string
  row: string
  head: number
}

export interface Movement {
  cpu: number[]
  /** Frames in which a pixel of the list had no row, of so many. */
  blank: number
  looked: number
}

/**
 * Looks at the list in each frame, just before it is painted. Rows lie without gaps in an element that is as high as all
 * of them together: where that element is in view, the first and the last of the drawn rows must reach around it. Only
 * these two are asked for their places, so that looking costs the same in a list of any length.
 */
const lookout = ({ box, row, head }: ScrolledList): string => `(() => {
  const box = document.querySelector(${JSON.stringify(box)})
  const all = box.querySelector(${JSON.stringify(row)}).parentElement
  const isRow = (node) => node.matches(${JSON.stringify(row)})
  const rowFrom = (node, next) => {
    while (node && !isRow(node)) node = node[next]
    return node?.getBoundingClientRect()
  }
  const seen = (globalThis.seen = { blank: 0, looked: 0, isOn: true })
  const look = () => {
    if (!seen.isOn) return
    const [view, rows] = [box.getBoundingClientRect(), all.getBoundingClientRect()]
    const [from, to] = [Math.max(view.top + ${head}, rows.top), Math.min(view.bottom, rows.bottom)]
    const first = rowFrom(all.firstElementChild, 'nextElementSibling')
    const last = rowFrom(all.lastElementChild, 'previousElementSibling')
    seen.looked++
    if (to - from > 1 && !(first?.top < from + 1 && last?.bottom > to - 1)) seen.blank++
    requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
})()`

const moved = async (
  browser: MeasuredBrowser,
  tab: Tab,
  list: ScrolledList,
  work: () => Promise<unknown>,
): Promise<Movement> => {
  const cpu = await traceFrames(browser, tab.page, async () => {
    await tab.evaluate(lookout(list))
    await work()
  })
  const { blank, looked } = await tab.evaluate<Movement>('(seen.isOn = false, seen)')
  return { cpu, blank, looked }
}

const pxASecond = 6_000

/** Scrolls with a wheel. */
export const scroll = (browser: MeasuredBrowser, tab: Tab, list: ScrolledList, seconds: number): Promise<Movement> =>
  moved(browser, tab, list, () =>
    tab.session.send('Input.synthesizeScrollGesture', {
      x: 300,
      y: 500,
      yDistance: -pxASecond * seconds,
      speed: pxASecond,
      gestureSourceType: 'mouse',
      preventFling: true,
    }),
  )

/** Drags the scroll bar: from one place to a far one, so many times. */
export const jump = (browser: MeasuredBrowser, tab: Tab, list: ScrolledList, times: number): Promise<Movement> =>
  moved(browser, tab, list, () =>
    tab.evaluate(`(async () => {
      const box = document.querySelector(${JSON.stringify(list.box)})
      for (let at = 1; at <= ${times}; at++) {
        await new Promise((resolve) => setTimeout(resolve, 50))
        box.scrollTop = ((at * 0.37) % 0.95) * (box.scrollHeight - box.clientHeight)
      }
      await new Promise((resolve) => setTimeout(resolve, 100))
    })()`),
  )

/** Presses keys as a keyboard repeats one. */
export const pressKeys = async (
  browser: MeasuredBrowser,
  tab: Tab,
  list: ScrolledList,
  keys: string[],
): Promise<Movement> =>
  moved(browser, tab, list, async () => {
    for (const key of keys) {
      await tab.page.keyboard.press(key)
      await new Promise((resolve) => setTimeout(resolve, 33))
    }
  })
