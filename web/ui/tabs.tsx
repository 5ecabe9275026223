import type { KeyboardEvent } from 'react'
import { useCurrentInView } from './current-in-view.ts'

export interface Tab<Name extends string> {
  name: Name
  text: string
  /** Stands beside the text: how many there are. */
  count?: string
}

/** Classes of one tab, also for links that lead to another page. */
export const tabClass = (isCurrent: boolean): string =>
  `inline-flex h-9 items-center gap-1.5 whitespace-nowrap border-b-2 px-0.5 ${isCurrent ? 'border-accent text-text font-medium' : 'border-transparent text-muted hover:text-text'}`

interface TabsProps<Name extends string> {
  label: string
  tabs: Tab<Name>[]
  current: Name
  onSelect: (name: Name) => void
  className?: string
}

/** Tabs of one page. The content that belongs to them stands elsewhere, with `role="tabpanel"`. */
export const Tabs = <Name extends string>({ label, tabs, current, onSelect, className = '' }: TabsProps<Name>) => {
  const row = useCurrentInView<HTMLDivElement>(current)
  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
    const at = tabs.findIndex(({ name }) => name === current)
    const next = tabs[(at + step + tabs.length) % tabs.length]
    if (step === 0 || !next) return
    event.preventDefault()
    onSelect(next.name)
    const button = event.currentTarget.querySelector<HTMLElement>(`[data-tab="${CSS.escape(next.name)}"]`)
    button?.focus()
  }
  return (
    <div
      ref={row}
      role="tablist"
      tabIndex={-1}
      aria-label={label}
      onKeyDown={onKeyDown}
      className={`flex gap-4 overflow-x-auto ${className}`}
    >
      {tabs.map(({ name, text, count }) => (
        <button
          key={name}
          type="button"
          role="tab"
          data-tab={name}
          aria-selected={name === current}
          tabIndex={name === current ? 0 : -1}
          onClick={() => onSelect(name)}
          className={tabClass(name === current)}
        >
          {text}
          {count !== undefined && <span className="text-12 text-faint">{count}</span>}
        </button>
      ))}
    </div>
  )
}
