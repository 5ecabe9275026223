import type { RefObject } from 'react'

/** Holds an editor. Keys of the page would see the box around it, not the text that is typed into. */
export const EditorBox = ({ box }: { box: RefObject<HTMLDivElement | null> }) => (
  // biome-ignore lint/a11y/noStaticElementInteractions: it only keeps keys from the page
  <div
    ref={box}
    onKeyDown={(event) => {
      if (!event.metaKey && !event.ctrlKey) event.stopPropagation()
    }}
    className="min-h-0 flex-1 overflow-hidden"
  />
)
