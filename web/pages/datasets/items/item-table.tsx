import type { ReactNode } from 'react'
import type { api } from '../../../data/api.ts'
import { useRows } from '../../../data/rows.ts'
import { useKeys } from '../../../ui/keys.ts'
import { itemText } from './item-text.ts'

type Item = Awaited<ReturnType<typeof api.getItem>>

const rowHeight = 32
const rowGrid =
  'grid grid-cols-[minmax(6rem,12rem)_minmax(0,1fr)_5rem] items-center gap-3 px-4 max-sm:grid-cols-[7rem_minmax(0,1fr)]'

interface ItemTableProps {
  items: readonly Item[]
  chosen: string | undefined
  onChoose: (id: string) => void
  /** Stands below the last item. */
  children: ReactNode
}

/** Items as lines of which only those in view exist. */
export const ItemTable = ({ items, chosen, onChoose, children }: ItemTableProps) => {
  const { box, first, last, total, show } = useRows(items.length, rowHeight)
  const move = (by: number) => {
    const at = items.findIndex(({ id }) => id === chosen)
    const next = Math.min(items.length - 1, Math.max(0, at + by))
    const item = items[next]
    if (!item) return
    onChoose(item.id)
    show(next)
  }
  useKeys('Items', [
    { keys: 'j', does: 'Next item', run: () => move(1) },
    { keys: 'k', does: 'Item before', run: () => move(-1) },
  ])
  return (
    <div ref={box} data-scroll-restoration-id="page" className="min-h-0 flex-1 overflow-y-auto overflow-x-hidden">
      <ul aria-label="Items" className="relative" style={{ height: total }}>
        {items.slice(first, last).map((item, index) => (
          <li
            key={item.id}
            className="absolute inset-x-0 border-line border-b contain-strict"
            style={{ top: (first + index) * rowHeight, height: rowHeight }}
          >
            <button
              type="button"
              aria-current={item.id === chosen}
              onClick={() => onChoose(item.id)}
              className={`${rowGrid} h-full w-full text-left ${item.id === chosen ? 'bg-selection' : 'hover:bg-sunk'}`}
            >
              <span className="truncate font-mono text-12">{item.id}</span>
              <span className="truncate text-muted">{itemText(item.data)}</span>
              <span className="truncate text-12 text-muted max-sm:hidden">{item.split}</span>
            </button>
          </li>
        ))}
      </ul>
      {children}
    </div>
  )
}
