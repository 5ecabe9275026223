import { type ReactNode, useId, useLayoutEffect, useRef } from 'react'
import { IconButton } from './button.tsx'

interface DialogProps {
  title: string
  isOpen: boolean
  onClose: () => void
  children: ReactNode
  /** Stands at the bottom, at the right. */
  actions?: ReactNode
  width?: 'narrow' | 'wide'
  /** Escape and the cross do nothing: the page needs an answer. */
  isFirm?: boolean
}

/** A modal dialog of the browser: it keeps the focus inside and gives it back when it closes. */
export const Dialog = ({ isOpen, ...rest }: DialogProps) => (isOpen ? <OpenDialog isOpen {...rest} /> : null)

const OpenDialog = ({ title, onClose, children, actions, width = 'narrow', isFirm = false }: DialogProps) => {
  const box = useRef<HTMLDialogElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const id = useId()
  // Its end must come while the dialog is still in the page: the browser gives the focus back only then.
  useLayoutEffect(() => {
    const node = box.current
    if (!node?.open) node?.showModal()
    // The browser would take the cross, which is what people want last.
    const field = content.current?.querySelector<HTMLElement>('input, select, textarea')
    const first = field ?? content.current
    first?.focus()
    return () => node?.close()
  }, [])
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a click on the backdrop has the key Escape beside it
    <dialog
      ref={box}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault()
        if (!isFirm) onClose()
      }}
      onClick={(event) => {
        if (event.target === box.current && !isFirm) onClose()
      }}
      // A file that misses its place must not take the page away.
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => event.preventDefault()}
      className={`m-auto max-h-[85dvh] w-[calc(100vw-2rem)] p-0 ${width === 'wide' ? 'max-w-180' : 'max-w-110'}`}
    >
      <div className="flex max-h-[85dvh] flex-col">
        <header className="flex items-center gap-2 border-line border-b py-2 pr-2 pl-4">
          <h2 id={id} className="min-w-0 flex-1 truncate font-semibold text-15">
            {title}
          </h2>
          {!isFirm && <IconButton icon="cross" label="Close" onClick={onClose} />}
        </header>
        <div ref={content} tabIndex={-1} className="min-h-0 flex-1 overflow-auto p-4 outline-none">
          {children}
        </div>
        {actions && <footer className="flex justify-end gap-2 border-line border-t px-4 py-3">{actions}</footer>}
      </div>
    </dialog>
  )
}
