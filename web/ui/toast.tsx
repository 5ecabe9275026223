import { useSyncExternalStore } from 'react'
import { Button, IconButton } from './button.tsx'

interface ToastText {
  text: string
  isBad?: boolean
  /** Such as "Undo". */
  action?: { text: string; run: () => void }
}

interface Toast extends ToastText {
  id: number
}

const shownMs = 8000
const most = 4
const listeners = new Set<() => void>()
let toasts: readonly Toast[] = []
let lastId = 0

const set = (next: readonly Toast[]): void => {
  toasts = next
  for (const tell of listeners) tell()
}

const close = (id: number): void => set(toasts.filter((one) => one.id !== id))

/** Shows a short message at the edge of the page for eight seconds; a bad one stays until it is closed. */
export const showToast = (toast: ToastText): void => {
  lastId += 1
  const id = lastId
  set([...toasts, { ...toast, id }].slice(-most))
  if (!toast.isBad) setTimeout(() => close(id), shownMs)
}

const watch = (tell: () => void): (() => void) => {
  listeners.add(tell)
  return () => listeners.delete(tell)
}

/** The place of all short messages; a page has one. They cover the middle of the header, where no page has a button; on a
 * phone, whose header is full, the lower edge. */
export const Toasts = () => {
  const shown = useSyncExternalStore(watch, () => toasts)
  return (
    <div
      aria-live="polite"
      role="status"
      className="pointer-events-none fixed inset-x-4 top-1.5 z-50 max-md:top-auto max-md:bottom-3 flex flex-col items-center gap-2"
    >
      {shown.map(({ id, text, isBad, action }) => (
        <div
          key={id}
          className="pointer-events-auto flex max-w-110 items-center gap-2 rounded-l border border-line bg-raised py-1 pr-1 pl-3 shadow-float"
        >
          <span className={`min-w-0 flex-1 [overflow-wrap:anywhere] ${isBad ? 'text-bad' : ''}`}>{text}</span>
          {action && (
            <Button
              look="quiet"
              onClick={() => {
                close(id)
                action.run()
              }}
            >
              {action.text}
            </Button>
          )}
          <IconButton icon="cross" label="Dismiss" onClick={() => close(id)} />
        </div>
      ))}
    </div>
  )
}
