import { type KeyboardEvent, type PointerEvent, type ReactNode, useRef, useState } from 'react'
import { readStored, writeStored } from '../data/stored.ts'
import { Button, IconButton } from '../ui/button.tsx'
import { type Tab, Tabs } from '../ui/tabs.tsx'

interface SplitProps {
  children: ReactNode
  /** The panel at the right; without one the rest has all the width. */
  panel: ReactNode | undefined
  label: string
  /** Name under which the browser remembers the width of the panel; `first` in percent until then. */
  stored: string
  first?: number
}

const least = 20
const most = 75
const clamp = (percent: number): number => Math.min(most, Math.max(least, percent))

/**
 * A panel beside the page, with an edge to drag or to move with the arrow keys. Below 768 px the panel covers the page:
 * two columns would both be too narrow to read.
 */
export const Split = ({ children, panel, label, stored, first = 40 }: SplitProps) => {
  const box = useRef<HTMLDivElement>(null)
  const [percent, setPercent] = useState(() => Number(readStored(stored) ?? first))
  const [dragged, setDragged] = useState<number>()
  const width = clamp(dragged ?? percent)
  const resize = (next: number) => {
    setPercent(next)
    writeStored(stored, String(Math.round(next)))
  }

  const at = (event: PointerEvent): number => {
    const { left, width: whole } = box.current?.getBoundingClientRect() ?? { left: 0, width: 1 }
    return clamp(100 - ((event.clientX - left) / whole) * 100)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowLeft' ? 2 : event.key === 'ArrowRight' ? -2 : 0
    if (step === 0) return
    event.preventDefault()
    resize(clamp(width + step))
  }
  return (
    <div ref={box} className="relative flex min-h-0 flex-1">
      <div className="flex min-h-0 min-w-0 flex-1 flex-col">{children}</div>
      {panel && (
        <>
          <div
            role="separator"
            tabIndex={0}
            aria-orientation="vertical"
            aria-label={`Width of ${label}`}
            aria-valuemin={least}
            aria-valuemax={most}
            aria-valuenow={Math.round(width)}
            onKeyDown={onKeyDown}
            onPointerDown={(event) => {
              event.currentTarget.setPointerCapture(event.pointerId)
              setDragged(at(event))
            }}
            onPointerMove={(event) => dragged !== undefined && setDragged(at(event))}
            onPointerUp={() => {
              if (dragged !== undefined) resize(dragged)
              setDragged(undefined)
            }}
            onPointerCancel={() => setDragged(undefined)}
            className="relative z-10 -mr-1 w-1 shrink-0 cursor-col-resize touch-none border-line border-l hover:border-accent max-md:hidden"
          />
          <section
            aria-label={label}
            style={{ '--panel': `${width}%` }}
            className="min-h-0 min-w-0 shrink-0 overflow-auto bg-bg max-md:absolute max-md:inset-0 max-md:z-20 md:w-(--panel) md:min-w-90"
          >
            {panel}
          </section>
        </>
      )}
    </div>
  )
}

interface TabbedSplitProps<View extends string> extends SplitProps {
  isOpen: boolean
  onOpen: (isOpen: boolean) => void
  /** Text of the button that opens the panel again. */
  open: string
  /** What the tabs are called. */
  views: string
  tabs: Tab<View>[]
  current: View
  onSelect: (view: View) => void
}

/** A panel of several views beside a text, which can be closed and opened again. */
export const TabbedSplit = <View extends string>(props: TabbedSplitProps<View>) => {
  const { children, panel, isOpen, onOpen, open, views, tabs, current, onSelect, ...rest } = props
  const shown = isOpen && (
    <div className="flex h-full flex-col">
      <div className="flex shrink-0 items-center border-line border-b pr-2">
        <Tabs label={views} className="min-w-0 flex-1 px-4" {...{ tabs, current, onSelect }} />
        <IconButton icon="cross" label="Close the panel" onClick={() => onOpen(false)} />
      </div>
      <div role="tabpanel" aria-label={current} className="flex min-h-0 flex-1 flex-col overflow-auto">
        {panel}
      </div>
    </div>
  )
  return (
    <Split {...rest} panel={shown}>
      {children}
      {!isOpen && (
        <Button icon="panel" className="absolute right-4 bottom-4" onClick={() => onOpen(true)}>
          {open}
        </Button>
      )}
    </Split>
  )
}
