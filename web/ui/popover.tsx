import { type ReactNode, useId, useRef, useState } from 'react'
import { buttonClass } from './button.tsx'

interface PopoverProps {
  /** What the button says. */
  button: ReactNode
  /** Name of the button where its content is no text. */
  label?: string
  /** Classes of the button, in the place of those of a quiet one. */
  className?: string
  /** The content, given a function that closes it. It is made only while open. */
  children: (close: () => void) => ReactNode
  side?: 'right' | 'left'
  boxClass?: string
}

/** A button with a box that floats below it; a click elsewhere or Escape closes the box. */
export const Popover = ({ button, label, className, children, side = 'right', boxClass = 'p-3' }: PopoverProps) => {
  const id = useId()
  const box = useRef<HTMLDivElement>(null)
  const [isOpen, setOpen] = useState(false)
  return (
    <>
      <button
        type="button"
        popoverTarget={id}
        aria-label={label}
        aria-expanded={isOpen}
        title={label}
        className={className ?? buttonClass('quiet')}
      >
        {button}
      </button>
      <div
        ref={box}
        id={id}
        popover="auto"
        onToggle={(event) => setOpen(event.newState === 'open')}
        className={`max-h-[70dvh] max-w-[calc(100vw-1rem)] overflow-auto ${side === 'left' ? 'to-the-left' : ''} ${boxClass}`}
      >
        {isOpen && children(() => box.current?.hidePopover())}
      </div>
    </>
  )
}
