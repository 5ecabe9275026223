import { type RefObject, useEffect, useRef } from 'react'

/**
 * Gives an editor a shadow root to live in. There it styles itself with adopted style sheets, which the content security
 * policy of the pages allows; in the page it would write a `<style>`, which the policy refuses. `open` returns what
 * closes the editor. It is called again when one of the three values changes.
 */
export const useShadowPlace = (
  open: (root: ShadowRoot) => () => void,
  [one, two, three]: readonly [unknown, unknown, unknown],
): RefObject<HTMLDivElement | null> => {
  const box = useRef<HTMLDivElement>(null)
  // biome-ignore lint/correctness/useExhaustiveDependencies: the caller says when a new editor is needed
  useEffect(() => {
    const host = box.current
    if (!host) return
    return open(host.shadowRoot ?? host.attachShadow({ mode: 'open' }))
  }, [one, two, three])
  return box
}
