import { type ReactNode, useId, useRef } from 'react'

const waitMs = 400

/** Shows more about what it wraps, after a moment under the pointer or at once with the focus. */
export const Tooltip = ({ text, children }: { text: ReactNode; children: ReactNode }) => {
  const id = useId()
  const anchor = `--${id.replace(/[^\w-]/g, '')}`
  const box = useRef<HTMLSpanElement>(null)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  const show = () => {
    if (box.current?.isConnected && !box.current.matches(':popover-open')) box.current.showPopover()
  }
  const hide = () => {
    clearTimeout(timer.current)
    if (box.current?.matches(':popover-open')) box.current.hidePopover()
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: what it wraps is what people use
    <span
      className="inline-flex min-w-0"
      style={{ anchorName: anchor }}
      aria-describedby={id}
      onPointerEnter={() => {
        timer.current = setTimeout(show, waitMs)
      }}
      onPointerLeave={hide}
      onPointerDown={hide}
      onFocus={show}
      onBlur={hide}
    >
      {children}
      <span
        ref={box}
        id={id}
        role="tooltip"
        popover="manual"
        style={{ positionAnchor: anchor }}
        className="max-w-80 whitespace-pre-line px-2 py-1 text-12"
      >
        {text}
      </span>
    </span>
  )
}
