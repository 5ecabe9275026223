import { useLayoutEffect, useRef, useState } from 'react'
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

/** Follows which rows of a list are in view. */
export const useRowsAt = (
  { count, topOf, rowAt }: RowPlaces,
  { above = 0, overscan = 8 }: RowOptions = {},
): RowWindow => {
  const [node, box] = useState<HTMLElement | null>(null)
  const [view, setView] = useState({ from: 0, to: 1200 })
  const drawn = useRef({ from: 0, to: 0 })
  useLayoutEffect(() => {
    if (!node) return
    const read = () => {
      // In steps of 24 px: most frames of a scroll need no other rows.
      const from = Math.floor(Math.max(0, node.scrollTop - above) / 24) * 24
      const to = from + node.clientHeight + 24
      setView((was) => (was.from === from && was.to === to ? was : { from, to }))
    }
    // Left to itself, React draws the rows of a far jump after the frame, which would be blank.
    const onScroll = () => {
      const top = Math.max(0, node.scrollTop - above)
      const isFar = top < drawn.current.from || top > drawn.current.to - node.clientHeight
      if (isFar) flushSync(read)
      else read()
    }
    const watch = new ResizeObserver(read)
    watch.observe(node)
    node.addEventListener('scroll', onScroll, { passive: true })
    read()
    return () => {
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
  const first = Math.max(0, rowAt(view.from) - overscan)
  const last = count === 0 ? 0 : Math.min(count, rowAt(view.to) + 1 + overscan)
  useLayoutEffect(() => {
    drawn.current = { from: topOf(first), to: topOf(last) }
  })
  return { box, node, first, last, total: topOf(count), topOf, show }
}

/** Follows which rows of one height are in view. */
export const useRows = (count: number, height: number, options?: RowOptions): RowWindow =>
  useRowsAt(evenRows(count, height), options)
