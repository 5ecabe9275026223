import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type DragEvent, type KeyboardEvent, useEffect, useRef, useState } from 'react'
import { api } from '../../../data/api.ts'
import { keys } from '../../../data/keys.ts'
import { useRows } from '../../../data/rows.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { JsonTree } from '../../../parts/json-tree/json-tree.tsx'
import { ListFrame } from '../../../parts/list-frame.tsx'
import { Media } from '../../../parts/media/media.tsx'
import { shownAs } from '../../../parts/media/media-kind.ts'
import { errorText, Problem } from '../../../parts/problem.tsx'
import { TextView } from '../../../parts/text-view/text-view.tsx'
import { withPlaces } from '../../../parts/with-places.ts'
import { bytesText } from '../../../text/numbers.ts'
import { Button, IconButton } from '../../../ui/button.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { showToast } from '../../../ui/toast.tsx'
import type { DatasetProps } from '../dataset-tabs.ts'

type DataPreview = Awaited<ReturnType<typeof api.previewDatasetData>>
type DataColumn = DataPreview['columns'][number]

const shownAsTable = /\.(parquet|(csv|tsv|tab|json|jsonl|ndjson)(\.gz)?|zip|tar\.gz|tgz)$/i

/** Whether the server can show the first rows of a file with this name. */
export const isShownAsTable = (name: string): boolean => shownAsTable.test(name)

const mostCharacters = 200

/** A cell in one line; empty for a value that is missing. */
export const dataCellText = (cell: unknown): string => {
  if (cell === null || cell === undefined) return ''
  const text = typeof cell === 'string' ? cell : JSON.stringify(cell)
  return text.slice(0, mostCharacters).replace(/\s+/g, ' ')
}

/** What the rows shown say about a column: `integer · 2 empty · 4 different · 1 to 9`. */
export const columnText = ({ type, nulls, distinct, min, max }: DataColumn): string => {
  if (type === 'skipped') return 'its first page is too large to be shown'
  const facts = [
    type,
    nulls > 0 ? `${nulls} empty` : '',
    `${distinct} different`,
    min === null || max === null ? '' : `${dataCellText(min)} to ${dataCellText(max)}`,
  ]
  return facts.filter((fact) => fact !== '').join(' · ')
}

const numberText = (count: number): string => count.toLocaleString('en')

/** How much of the file is shown: `The first 100 of 5,000 rows`. */
export const rowsText = ({ rows, row_count: count, truncated }: DataPreview): string => {
  if (count !== null && count > rows.length) return `The first ${numberText(rows.length)} of ${numberText(count)} rows`
  if (truncated) return `The first ${numberText(rows.length)} rows; there are more`
  return rows.length === 1 ? '1 row' : `${numberText(rows.length)} rows`
}

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
const DataRows = ({ of: { columns, rows } }: { of: DataPreview }) => {
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

interface DataPreviewProps {
  collection: string
  dataset: string
  number: number
}

/** The first rows of a data file as a table, or the sentence that says why there are none. */
const DataFilePreview = ({ collection, dataset, number }: DataPreviewProps) => {
  const { data, error, refetch } = useQuery({
    queryKey: [...keys.dataset(collection, dataset), 'preview', number],
    queryFn: ({ signal }) =>
      api.previewDatasetData({ params: { collection, dataset, number: String(number) }, signal }),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
  })
  if (error) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <p className="text-muted">Reading the first rows…</p>
  return (
    <section aria-label="First rows" className="flex min-w-0 flex-col gap-2">
      <p className="text-12 text-muted">
        {rowsText(data)} · {data.columns.length} {data.columns.length === 1 ? 'column' : 'columns'} · {data.format}
        {data.member === null ? '' : ` · from ${data.member}`}
      </p>
      {data.columns.length === 0 ? <p className="text-muted">The file has no columns.</p> : <DataRows of={data} />}
      {data.members.length > 0 && <Members of={data} />}
    </section>
  )
}

const firstMembers = 20

/** What is in an archive. */
const Members = ({ of: { members, member } }: { of: DataPreview }) => {
  const [showsAll, showAll] = useState(false)
  const shown = showsAll ? members : members.slice(0, firstMembers)
  return (
    <section aria-label="In this archive">
      <h2 className="mb-1 font-medium text-12 text-muted">In this archive</h2>
      <ul className="divide-y divide-line border-line border-y text-12">
        {shown.map(({ name, size }) => (
          <li key={name} className={`flex gap-3 px-2 py-1 ${name === member ? 'bg-selection' : ''}`}>
            <span className="min-w-0 flex-1 truncate font-mono">{name}</span>
            {name === member && <span className="shrink-0 text-muted">shown above</span>}
            <span className="shrink-0 text-muted">{bytesText(size)}</span>
          </li>
        ))}
      </ul>
      {shown.length < members.length && (
        <button type="button" className="mt-1 text-12 text-accent" onClick={() => showAll(true)}>
          All {members.length.toLocaleString('en')} that were read
        </button>
      )}
    </section>
  )
}

/** The files of a dataset; the chosen one is shown beside them, as far as its kind allows. */
const FilesTab = ({ collection, dataset: { name } }: DatasetProps) => {
  const [chosen, choose] = useState<number>()
  const params = { collection, dataset: name }
  const list = useInfiniteQuery({
    queryKey: [...keys.dataset(collection, name), 'files'],
    initialPageParam: -1,
    queryFn: ({ pageParam, signal }) => api.listDatasetData({ params, query: { after: pageParam }, signal }),
    getNextPageParam: ({ files, has_more: hasMore }) => (hasMore ? files.at(-1)?.file_number : undefined),
  })
  const upload = useUpload(collection, name)
  const mayWrite = useMayWrite()
  const files = list.data?.pages.flatMap((page) => page.files) ?? []
  const shown = files.find(({ file_number: number }) => number === chosen) ?? files[0]
  const isTable = shown !== undefined && isShownAsTable(nameOf(shown.file_path))
  const onDrop = (event: DragEvent) => {
    event.preventDefault()
    if (mayWrite && event.dataTransfer.files.length > 0) upload.mutate([...event.dataTransfer.files])
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: files can be chosen by a button, too
    <div
      className="flex min-h-0 flex-1 flex-col gap-3 overflow-auto p-4"
      onDragOver={(event) => event.preventDefault()}
      onDrop={onDrop}
    >
      {mayWrite && <ChooseFiles isBusy={upload.isPending} onChoose={(chosenFiles) => upload.mutate(chosenFiles)} />}
      <ListFrame
        list={list}
        count={files.length}
        more="More files"
        empty={<Empty title="No files yet">Files are numbered in the order in which they come.</Empty>}
      >
        <ul aria-label="Files" className="max-h-60 shrink-0 divide-y divide-line overflow-auto border-line border-y">
          {files.map((file) => (
            <li key={file.file_number}>
              <button
                type="button"
                aria-current={file === shown}
                onClick={() => choose(file.file_number)}
                className={`flex w-full items-baseline gap-3 px-2 py-1 text-left ${file === shown ? 'bg-selection' : 'hover:bg-sunk'}`}
              >
                <span className="w-10 shrink-0 text-right text-muted">{file.file_number}</span>
                <span className="min-w-0 flex-1 truncate">{nameOf(file.file_path)}</span>
                <span className="shrink-0 text-12 text-muted">{bytesText(file.size)}</span>
              </button>
            </li>
          ))}
        </ul>
      </ListFrame>
      {shown && (
        <Media
          key={shown.file_path}
          file={{
            path: shown.file_path,
            name: nameOf(shown.file_path),
            contentType: shown.content_type,
            size: shown.size,
            kind: isTable ? 'file' : shownAs(nameOf(shown.file_path), shown.content_type),
          }}
        />
      )}
      {shown && isTable && (
        <DataFilePreview key={shown.file_number} collection={collection} dataset={name} number={shown.file_number} />
      )}
    </div>
  )
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/** Uploads one file after another, so that they are numbered in their order. */
const useUpload = (collection: string, dataset: string) => {
  const queries = useQueryClient()
  return useMutation({
    scope: { id: `files of ${collection}/${dataset}` },
    mutationFn: async (files: readonly File[]) => {
      for (const [at, file] of files.entries()) {
        const sent = [{ field: 'data_file', name: file.name, content: file }]
        await api.uploadDatasetData({ params: { collection, dataset }, body: {}, files: sent }).catch((error) => {
          const before = at === 0 ? '' : `, the ${at} before it ${at === 1 ? 'was' : 'were'}`
          throw new Error(`${file.name} was not added${before}: ${errorText(error)}`)
        })
      }
    },
    onError: (error) => showToast({ text: errorText(error), isBad: true }),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.dataset(collection, dataset) }),
  })
}

const ChooseFiles = ({ isBusy, onChoose }: { isBusy: boolean; onChoose: (files: File[]) => void }) => {
  const chooser = useRef<HTMLInputElement>(null)
  return (
    <div className="flex flex-wrap items-center gap-3">
      <Button disabled={isBusy} onClick={() => chooser.current?.click()}>
        {isBusy ? 'Uploading…' : 'Add files'}
      </Button>
      <span className="text-muted">or drop them on this page</span>
      <input
        ref={chooser}
        type="file"
        multiple
        aria-label="Add files"
        className="sr-only"
        tabIndex={-1}
        onChange={(event) => {
          onChoose([...(event.target.files ?? [])])
          event.target.value = ''
        }}
      />
    </div>
  )
}

export default FilesTab
