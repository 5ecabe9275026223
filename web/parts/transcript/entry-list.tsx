import { useCallback, useEffect, useEffectEvent, useLayoutEffect, useMemo, useRef, useState } from 'react'
import { unevenRows, useRowsAt } from '../../data/rows.ts'
import type { TranscriptEntry } from './entries.ts'
import { EntryRow } from './entry-row.tsx'

/** Height of a line that was not drawn yet, in px. */
const expectedHeight = 28
/** Closer to the end than this, the list goes on following. */
const endPx = 60

interface EntryListProps {
  entries: readonly TranscriptEntry[]
  /** Stays at the end while entries come. */
  isFollowing: boolean
  onFollow: (isFollowing: boolean) => void
  /** Number of the entry to show; another object shows it again. */
  target: { n: number } | undefined
  onStart: () => void
}

/** The entries in view, each as high as it is. */
export const EntryList = ({ entries, isFollowing, onFollow, target, onStart }: EntryListProps) => {
  const [open, setOpen] = useState<ReadonlySet<number>>(new Set())
  const [heights, measure] = useHeights()
  const places = useMemo(() => unevenRows(entries.map(({ n }) => heights.get(n) ?? expectedHeight)), [entries, heights])
  const { box, node, first, last, total, topOf } = useRowsAt(places)

  useLayoutEffect(() => {
    if (node && isFollowing && total > 0) node.scrollTop = node.scrollHeight
  }, [node, isFollowing, total])
  // What is in view stays there when older entries come in above it.
  const top = useRef<number>(undefined)
  useLayoutEffect(() => {
    const before = top.current
    top.current = entries[0]?.n
    const added = before === undefined ? -1 : entries.findIndex(({ n }) => n === before)
    if (node && added > 0 && !isFollowing) node.scrollTop += places.topOf(added)
  }, [node, entries, places, isFollowing])
  const show = useEffectEvent((box: HTMLElement, number: number) => {
    const at = entries.findIndex(({ n }) => n === number)
    if (at >= 0) box.scrollTop = topOf(at)
  })
  useEffect(() => {
    if (node && target) show(node, target.n)
  }, [node, target])

  const toggle = (n: number) =>
    setOpen((was) => {
      const next = new Set(was)
      if (!next.delete(n)) next.add(n)
      return next
    })
  return (
    <div
      ref={box}
      role="log"
      aria-label="Transcript"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls by keyboard
      tabIndex={0}
      onScroll={({ currentTarget: { scrollTop, clientHeight, scrollHeight } }) => {
        onFollow(scrollTop + clientHeight >= scrollHeight - endPx)
        if (scrollTop < endPx) onStart()
      }}
      className="min-h-0 flex-1 overflow-auto [overflow-anchor:none]"
    >
      <div className="relative" style={{ height: total }}>
        {entries.slice(first, last).map((entry, at) => (
          <div
            key={entry.n}
            ref={(row) => measure(entry.n, row)}
            className="absolute inset-x-0"
            style={{ top: topOf(first + at) }}
          >
            <EntryRow entry={entry} isOpen={open.has(entry.n)} onToggle={() => toggle(entry.n)} />
          </div>
        ))}
      </div>
    </div>
  )
}

/** Measures rows while they are drawn. */
const useHeights = (): [
  ReadonlyMap<number, number>,
  (n: number, row: HTMLElement | null) => (() => void) | undefined,
] => {
  const [heights, setHeights] = useState<ReadonlyMap<number, number>>(new Map())
  const numbers = useRef(new WeakMap<Element, number>())
  const [watch] = useState(
    () =>
      new ResizeObserver((seen) => {
        setHeights((was) => {
          const next = new Map(was)
          for (const { target } of seen) {
            const n = numbers.current.get(target)
            if (n !== undefined && target.isConnected) next.set(n, target.getBoundingClientRect().height)
          }
          return [...next].some(([n, height]) => was.get(n) !== height) ? next : was
        })
      }),
  )
  useEffect(() => () => watch.disconnect(), [watch])
  const measure = useCallback(
    (n: number, row: HTMLElement | null) => {
      if (!row) return undefined
      numbers.current.set(row, n)
      watch.observe(row)
      return () => watch.unobserve(row)
    },
    [watch],
  )
  return [heights, measure]
}
