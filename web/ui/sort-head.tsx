import { Icon } from './icon.tsx'

export type Direction = 'asc' | 'desc'

interface SortHeadProps {
  text: string
  /** How the list is sorted by this column; undefined: by another one. */
  direction: Direction | undefined
  onSort: () => void
  isNumber?: boolean
}

/** Head of a column that sorts its list; pressed again, it turns the order round. */
export const SortHead = ({ text, direction, onSort, isNumber = false }: SortHeadProps) => (
  <button
    type="button"
    title={direction === undefined ? `Sort by ${text.toLowerCase()}` : 'Turn the order round'}
    onClick={onSort}
    className={`inline-flex max-w-full items-center gap-0.5 rounded-s align-top hover:text-text ${isNumber ? 'flex-row-reverse' : ''} ${direction ? 'text-text' : ''}`}
  >
    <span className="truncate">{text}</span>
    <Icon
      name={direction === 'asc' ? 'up' : 'down'}
      className={`size-3 ${direction === undefined ? 'opacity-0' : ''}`}
    />
  </button>
)
