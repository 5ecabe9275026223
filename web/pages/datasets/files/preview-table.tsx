import { type KeyboardEvent, useEffect, useRef, useState } from 'react'
import { useRows } from '../../../data/rows.ts'
import { JsonTree } from '../../../parts/json-tree/json-tree.tsx'
import { TextView } from '../../../parts/text-view/text-view.tsx'
import { withPlaces } from '../../../parts/with-places.ts'
import { Button, IconButton } from '../../../ui/button.tsx'
import { columnText, type DataColumn, type DataPreview, dataCellText } from './preview-text.ts'

const rowHeight = 26
const headHeight = 42
const firstColumns = 30
/** In px; wider columns share what is left. */
const leastWidth = 120

interface Cell {
  row: number
  column: number
}

const moves: Record<string, Cell> = {
  ArrowDown: { row: 1, column: 0 },
  ArrowUp: { row: -1, column: 0 },
  ArrowRight: { row: 0, column: 1 },
  ArrowLeft: { row: 0, column: -1 },
}

const cellId = ({ row, column }: Cell): string => `cell-${row}-${column}`
const within = (place: number, count: number): number => Math.max(0, Math.min(count - 1, place))

/** Rows of which only those in view exist. A cell opens below the table; arrow keys go from cell to cell. */
export const DataRows = ({ of: { columns, rows } }: { of: DataPreview }) => {
  const [most, setMost] = useState(firstColumns)
  const [at, setAt] = useState<Cell>({ row: 0, column: 0 })
  const [isOpen, open] = useState(false)
  const { box, node, first, last, total, show } = useRows(rows.length, rowHeight, { above: headHeight })
  const shown = columns.slice(0, most)
  const column = columns[at.column]
  const grid = useRef<HTMLDivElement>(null)
  // A cell that was clicked has the focus, and would take it along when it leaves the view.
  const focusGrid = () => grid.current?.focus({ preventScroll: true })
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return // keys of the browser
    const by = moves[event.key]
    if (!by && event.key !== 'Enter' && !(event.key === 'Escape' && isOpen)) return
    event.preventDefault()
    event.stopPropagation()
    if (!by) return open(event.key === 'Enter')
    const next = { row: within(at.row + by.row, rows.length), column: within(at.column + by.column, shown.length) }
    setAt(next)
    show(next.row)
    node?.querySelector(`#${cellId({ ...next, row: at.row })}`)?.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  }
  return (
    <div className="flex min-w-0 flex-col gap-2">
      <div ref={box} className="max-h-100 overflow-auto rounded-m border border-line">
        <div
          ref={grid}
          role="grid"
          aria-label="Rows of the file"
          aria-rowcount={rows.length + 1}
          aria-activedescendant={rows.length > 0 ? cellId(at) : undefined}
          tabIndex={0}
          onKeyDown={onKeyDown}
          className="text-12"
          style={{ minWidth: shown.length * leastWidth }}
        >
          <Head columns={shown} />
          <div role="rowgroup" className="relative" style={{ height: total }}>
            {withPlaces(rows.slice(first, last)).map(({ element: cells, place }) => (
              <Row
                key={first + place}
                row={first + place}
                cells={cells}
                columns={shown}
                at={at}
                onOpen={(cell) => {
                  setAt(cell)
                  open(true)
                  focusGrid()
                }}
              />
            ))}
          </div>
        </div>
      </div>
      {shown.length < columns.length && (
        <Button look="quiet" className="self-start" onClick={() => setMost(columns.length)}>
          {columns.length - shown.length} more columns
        </Button>
      )}
      {isOpen && column && (
        <OpenCell
          column={column}
          row={at.row}
          value={rows[at.row]?.[at.column]}
          onClose={() => {
            open(false)
            focusGrid()
          }}
        />
      )}
    </div>
  )
}

/** Every row lays its cells out alike: no width depends on what a cell holds. */
const columnsStyle = (count: number) => ({ gridTemplateColumns: `repeat(${count}, minmax(${leastWidth}px, 1fr))` })

const Head = ({ columns }: { columns: readonly DataColumn[] }) => (
  <div role="rowgroup" className="sticky top-0 z-10">
    <div
      role="row"
      aria-rowindex={1}
      className="grid border-line border-b bg-sunk"
      style={{ ...columnsStyle(columns.length), height: headHeight }}
    >
      {withPlaces(columns).map(({ element: column, place }) => (
        <div key={place} role="columnheader" title={columnText(column)} className="min-w-0 self-center px-3">
          <span className="block truncate font-medium">{column.name}</span>
          <span className="block truncate text-11 text-muted">{column.type}</span>
        </div>
      ))}
    </div>
  </div>
)

interface RowProps {
  row: number
  cells: readonly unknown[]
  columns: readonly DataColumn[]
  at: Cell
  onOpen: (cell: Cell) => void
}

const Row = ({ row, cells, columns, at, onOpen }: RowProps) => (
  <div
    role="row"
    aria-rowindex={row + 2}
    className="absolute inset-x-0 grid border-line border-b contain-strict hover:bg-sunk"
    style={{ ...columnsStyle(columns.length), top: row * rowHeight, height: rowHeight }}
  >
    {withPlaces(columns).map(({ element: { type }, place: column }) => {
      const isChosen = at.row === row && at.column === column
      const isNumber = type === 'integer' || type === 'number'
      return (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the grid opens its cell with Enter
        <div
          key={column}
          id={cellId({ row, column })}
          role="gridcell"
          tabIndex={-1}
          aria-selected={isChosen}
          onClick={() => onOpen({ row, column })}
          className={`cursor-pointer truncate px-3 leading-6.5 ${isNumber ? 'text-right tabular-nums' : ''} ${isChosen ? 'bg-selection' : ''}`}
        >
          <CellText type={type} value={cells[column]} />
        </div>
      )
    })}
  </div>
)

const CellText = ({ type, value }: { type: DataColumn['type']; value: unknown }) => {
  if (type === 'skipped') return <span className="text-muted">too large</span>
  if (value === null || value === undefined) return <span className="text-muted">–</span>
  return dataCellText(value)
}

interface OpenCellProps {
  column: DataColumn
  row: number
  value: unknown
  onClose: () => void
}

const OpenCell = ({ column, row, value, onClose }: OpenCellProps) => {
  const box = useRef<HTMLElement>(null)
  useEffect(() => box.current?.scrollIntoView({ block: 'nearest' }), [])
  return (
    <section ref={box} aria-label={`${column.name} of row ${row + 1}`} className="rounded-m border border-line p-3">
      <div className="mb-2 flex items-start gap-2">
        <div className="min-w-0 flex-1">
          <h2 className="font-medium [overflow-wrap:anywhere]">
            {column.name} <span className="text-muted">of row {row + 1}</span>
          </h2>
          <p className="text-12 text-muted [overflow-wrap:anywhere]">In the rows shown: {columnText(column)}</p>
        </div>
        <IconButton icon="cross" label="Close the cell" onClick={onClose} />
      </div>
      {typeof value === 'string' ? (
        <TextView key={value} text={value} />
      ) : typeof value === 'object' && value !== null ? (
        <JsonTree key={JSON.stringify(value)} value={value} path="" label={column.name} />
      ) : (
        <p className="font-mono text-12">{value === null || value === undefined ? 'no value' : String(value)}</p>
      )}
    </section>
  )
}
