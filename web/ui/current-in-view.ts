import { type RefObject, useEffect, useRef } from 'react'

/** Ref of a row of tabs or links that scrolls: on a phone the current one would often be beyond its edge. */
export const useCurrentInView = <Row extends HTMLElement>(current: unknown): RefObject<Row | null> => {
  const row = useRef<Row>(null)
  // biome-ignore lint/correctness/useExhaustiveDependencies: it scrolls when another one is current
  useEffect(() => {
    row.current
      ?.querySelector('[aria-current=page], [aria-selected=true]')
      ?.scrollIntoView({ block: 'nearest', inline: 'center' })
  }, [current])
  return row
}
