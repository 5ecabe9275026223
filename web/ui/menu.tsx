import { type KeyboardEvent, type ReactNode, useEffect, useRef } from 'react'
import { Icon, type IconName } from './icon.tsx'
import { Popover } from './popover.tsx'

export interface MenuItem {
  text: string
  onSelect: () => void
  icon?: IconName
  /** What stands at the right, such as a key. */
  note?: string
  /** Shows a tick: this one is chosen. */
  isChosen?: boolean
  isDisabled?: boolean
  isBad?: boolean
  /** Draws a line above it. */
  isApart?: boolean
}

interface MenuProps {
  button: ReactNode
  label?: string
  className?: string
  items: MenuItem[]
  side?: 'right' | 'left'
  /** Stands above the items. */
  head?: ReactNode
}

/** A button with a list of actions: arrows move, a letter jumps, Enter selects. */
export const Menu = ({ items, head, ...rest }: MenuProps) => (
  <Popover {...rest} boxClass="min-w-44 p-1">
    {(close) => (
      <>
        {head && <div className="px-2 py-1.5 text-12 text-muted">{head}</div>}
        <MenuList items={items} close={close} />
      </>
    )}
  </Popover>
)

const MenuList = ({ items, close }: { items: MenuItem[]; close: () => void }) => {
  const box = useRef<HTMLDivElement>(null)
  const buttons = () => [...(box.current?.querySelectorAll<HTMLButtonElement>('button:not(:disabled)') ?? [])]
  useEffect(() => box.current?.querySelector<HTMLButtonElement>('button:not(:disabled)')?.focus(), [])
  const onKeyDown = (event: KeyboardEvent) => {
    const all = buttons()
    const at = all.indexOf(document.activeElement as HTMLButtonElement)
    const next = nextItem(
      event.key,
      at,
      all.map((one) => one.textContent ?? ''),
    )
    if (next === undefined) return
    event.preventDefault()
    event.stopPropagation()
    all[next]?.focus()
  }
  return (
    <div ref={box} role="menu" tabIndex={-1} onKeyDown={onKeyDown}>
      {items.map((item) => (
        <button
          key={item.text}
          type="button"
          {...(item.isChosen === undefined
            ? { role: 'menuitem' }
            : { role: 'menuitemradio', 'aria-checked': item.isChosen })}
          disabled={item.isDisabled}
          onClick={() => {
            close()
            item.onSelect()
          }}
          className={`flex w-full items-center gap-2 rounded-s px-2 py-1 text-left outline-none focus:bg-selection disabled:text-faint ${item.isBad ? 'text-bad' : ''} ${item.isApart ? 'mt-1.5' : ''}`}
          onPointerMove={(event) => event.currentTarget.focus()}
        >
          {item.icon && <Icon name={item.icon} className="text-muted" />}
          <span className="flex-1">{item.text}</span>
          {item.note && <kbd className="font-sans text-11 text-faint">{item.note}</kbd>}
          {item.isChosen && <Icon name="tick" />}
        </button>
      ))}
    </div>
  )
}

/** The item that a key leads to, by its position; undefined: the key means nothing here. */
export const nextItem = (key: string, at: number, texts: string[]): number | undefined => {
  if (texts.length === 0) return undefined
  if (key === 'ArrowDown') return (at + 1) % texts.length
  if (key === 'ArrowUp') return at <= 0 ? texts.length - 1 : at - 1
  if (key === 'Home') return 0
  if (key === 'End') return texts.length - 1
  if (!/^\p{L}$/u.test(key)) return undefined
  const order = texts.map((_, index) => (at + 1 + index) % texts.length)
  return order.find((index) => texts[index]?.toLowerCase().startsWith(key.toLowerCase()))
}
