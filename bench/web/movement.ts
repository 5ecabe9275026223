import type { MeasuredBrowser, Tab } from './browser.ts'
import { traceFrames } from './trace.ts'

/** A list in a page: its scrolling box, its rows, and what stands still above them, in px. */
export interface ScrolledList {
  box: string
  row: string
  head: number
}

export interface Movement {
  cpu: number[]
  /** Frames in which a part of the list that should have rows had none, of so many. */
  blank: number
  looked: number
}

/** Looks at the list in each frame, just before it is painted. */
const lookout = ({ box, row, head }: ScrolledList): string => `(() => {
  const box = document.querySelector(${JSON.stringify(box)})
  const seen = (globalThis.seen = { blank: 0, looked: 0, isOn: true })
  const look = () => {
    if (!seen.isOn) return
    const view = box.getBoundingClientRect()
    const rows = box.querySelectorAll(${JSON.stringify(row)})
    const from = rows[0]?.getBoundingClientRect().top ?? Infinity
    const to = rows[rows.length - 1]?.getBoundingClientRect().bottom ?? -Infinity
    seen.looked++
    if (from > view.top + ${head} + 1 || to < view.bottom - 1) seen.blank++
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
