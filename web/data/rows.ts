import { useEffectEvent, useLayoutEffect, useRef, useState } from 'react'
import { flushSync } from 'react-dom'

/** The part of a long list that is in view: the rows from `first` to `last` are to be drawn. */
interface RowWindow {
  /** Ref of the scrolling element. It is a state: the element may come later than the component that asks. */
  box: (node: HTMLElement | null) => void
  node: HTMLElement | null
  first: number
  last: number
  /** Height of all rows in px. */
  total: number
  /** Distance of a row from the first one in px. */
  topOf: (row: number) => number
  /** Key of a drawn row that has no state of its own: a far jump keeps the elements, and only their content changes. */
  keyOf: (row: number) => number
  /** Scrolls until a row is fully in view. */
  show: (row: number) => void
}

/** Where the rows of a list begin, in px from the first one; the row after the last one begins at the end. */
interface RowPlaces {
  count: number
  topOf: (row: number) => number
  /** The row at a place. */
  rowAt: (place: number) => number
}

/** Places of rows of one height. */
export const evenRows = (count: number, height: number): RowPlaces => ({
  count,
  topOf: (row) => row * height,
  rowAt: (place) => Math.min(Math.max(0, count - 1), Math.max(0, Math.floor(place / height))),
})

/** Places of rows that have heights of their own. */
export const unevenRows = (heights: Iterable<number>): RowPlaces => {
  const tops = [0]
  for (const height of heights) tops.push((tops.at(-1) ?? 0) + height)
  const count = tops.length - 1
  const rowAt = (place: number) => {
    let low = 0
    let high = Math.max(0, count - 1)
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((tops[middle] ?? 0) <= place) low = middle
      else high = middle - 1
    }
    return low
  }
  return { count, topOf: (row) => tops[row] ?? 0, rowAt }
}

interface RowOptions {
  /** Height of what scrolls with the rows before the first one, in px. */
  above?: number
  /** Rows drawn beyond each edge. */
  overscan?: number
}

/** What is in view, in px from the first row. */
interface View {
  from: number
  to: number
  /** It was jumped to: nothing is drawn beyond its edges until it rests. */
  isFar: boolean
  /** Added to the number of a row for its key. */
  shift: number
}

/** How long a place must rest after a jump until rows beyond its edges are drawn. */
const restMs = 120

/** The drawn rows of a view, without the last one. */
const drawnRows = ({ count, rowAt }: RowPlaces, { from, to, isFar }: Omit<View, 'shift'>, overscan: number) => {
  const more = isFar ? 0 : overscan
  const first = Math.max(0, rowAt(from) - more)
  return { first, last: count === 0 ? 0 : Math.min(count, rowAt(to) + 1 + more) }
}

/** Follows which rows of a list are in view. */
export const useRowsAt = (places: RowPlaces, { above = 0, overscan = 8 }: RowOptions = {}): RowWindow => {
  const { count, topOf } = places
  const [node, box] = useState<HTMLElement | null>(null)
  const [view, setView] = useState<View>({ from: 0, to: 1200, isFar: false, shift: 0 })
  const { first, last } = drawnRows(places, view, overscan)
  const drawn = useRef({ from: 0, to: 0 })
  useLayoutEffect(() => {
    drawn.current = { from: topOf(first), to: last === count ? Number.POSITIVE_INFINITY : topOf(last) }
  })
  /** The view after a jump; the first row that it draws gets the key of the first one that is drawn now. */
  const jumped = useEffectEvent((to: Pick<View, 'from' | 'to'>): View => {
    const far = { ...to, isFar: true }
    return { ...far, shift: first + view.shift - drawnRows(places, far, overscan).first }
  })
  useLayoutEffect(() => {
    if (!node) return
    let height = node.clientHeight
    let rest: ReturnType<typeof setTimeout> | undefined
    const part = () => {
      // In steps of 24 px: most frames of a scroll need no other rows.
      const from = Math.floor(Math.max(0, node.scrollTop - above) / 24) * 24
      return { from, to: from + height + 24 }
    }
    const read = () => {
      const { from, to } = part()
      setView((was) => (was.from === from && was.to === to ? was : { ...was, from, to }))
    }
    const settle = () => setView((was) => (was.isFar ? { ...was, isFar: false } : was))
    const onScroll = () => {
      const top = Math.max(0, node.scrollTop - above)
      if (top >= drawn.current.from && top <= drawn.current.to - height) return read()
      // Left to itself, React draws the rows of a far jump after the frame, which would be blank.
      const next = jumped(part())
      flushSync(() => setView(next))
      clearTimeout(rest)
      rest = setTimeout(settle, restMs)
    }
    const watch = new ResizeObserver(() => {
      height = node.clientHeight
      read()
    })
    watch.observe(node)
    node.addEventListener('scroll', onScroll, { passive: true })
    read()
    return () => {
      clearTimeout(rest)
      watch.disconnect()
      node.removeEventListener('scroll', onScroll)
    }
  }, [node, above])

  const show = (row: number) => {
    if (!node) return
    const top = topOf(row)
    const bottom = above + topOf(row + 1)
    if (top < node.scrollTop)
      node.scrollTop = top // what sticks above the rows would cover `above` more
    else if (bottom > node.scrollTop + node.clientHeight) node.scrollTop = bottom - node.clientHeight
  }
  return { box, node, first, last, total: topOf(count), topOf, keyOf: (row) => row + view.shift, show }
}

/** Follows which rows of one height are in view. */
export const useRows = (count: number, height: number, options?: RowOptions): RowWindow =>
  useRowsAt(evenRows(count, height), options)
