import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { type DragEvent, type ReactNode, useEffect, useState } from 'react'
import { api } from '../../../data/api.ts'
import { keys } from '../../../data/keys.ts'
import { paged } from '../../../data/paged.ts'
import { useRows } from '../../../data/rows.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { Problem } from '../../../parts/problem.tsx'
import { SearchField } from '../../../parts/search-field.tsx'
import { Split } from '../../../parts/split.tsx'
import { Button, buttonClass } from '../../../ui/button.tsx'
import { CopyLine } from '../../../ui/copy.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { SelectField } from '../../../ui/field.tsx'
import { useKeys } from '../../../ui/keys.ts'
import { Popover } from '../../../ui/popover.tsx'
import type { DatasetProps } from '../dataset-tabs.ts'
import { AddItems } from './add/add-items.tsx'
import { ItemForm } from './add/item-form.tsx'
import { ItemPanel } from './item-panel.tsx'
import { itemText } from './item-text.ts'

/** Which items are shown: those of a split and of a version, with a text. */
interface ItemsShown {
  split: string
  /** Index of a version; empty: the newest one. */
  version: string
  /** A text in the id or data of an item; empty: all items. */
  q: string
}

interface ItemsToolbarProps extends DatasetProps {
  total: number
  shown: ItemsShown
  onShow: (next: Partial<ItemsShown>) => void
  onAdd: (what: 'one' | 'many') => void
}

/** How many items there are, which are shown, and what can be done with them. */
const ItemsToolbar = ({ collection, dataset, total, shown, onShow, onAdd }: ItemsToolbarProps) => {
  const mayWrite = useMayWrite()
  const { name, splits } = dataset
  const versions = useTaggedVersions(collection, name)
  const query = new URLSearchParams({
    ...(shown.version === '' ? {} : { version: `~${shown.version}` }),
    ...(shown.split === '' ? {} : { split: shown.split }),
  })
  const exported = `/api/v1/datasets/${encodeURIComponent(collection)}/${encodeURIComponent(name)}/items/export?${query}`
  const isListed = versions.some(([index]) => index === shown.version)
  const chosen = shown.version === '' || isListed ? [] : [[shown.version, `v${shown.version}`] as const]
  return (
    <div className="flex shrink-0 flex-wrap items-center gap-2 border-line border-b px-4 py-2">
      <span className="text-muted">
        {total.toLocaleString('en')} {total === 1 ? 'item' : 'items'}
      </span>
      {(total > 0 || shown.q !== '') && (
        <SearchField
          label="Search items"
          placeholder="Search id and data"
          place="Items of a dataset"
          text={shown.q}
          onChange={(q) => onShow({ q })}
        />
      )}
      {splits && (
        <SelectField
          label="Split"
          hidesLabel
          value={shown.split}
          options={[['', 'All splits'], ...Object.keys(splits).map((one) => [one, one] as const)]}
          onChange={(event) => onShow({ split: event.target.value })}
        />
      )}
      {(versions.length > 0 || chosen.length > 0) && (
        <SelectField
          label="Version"
          hidesLabel
          value={shown.version}
          options={[['', `Newest, v${dataset.version}`], ...chosen, ...versions]}
          onChange={(event) => onShow({ version: event.target.value })}
        />
      )}
      <span className="flex-1" />
      {mayWrite && shown.version === '' && (
        <>
          <Button icon="plus" onClick={() => onAdd('one')}>
            Add an item
          </Button>
          <Button icon="plus" onClick={() => onAdd('many')}>
            Add many
          </Button>
        </>
      )}
      {total > 0 && <Export address={exported} />}
    </div>
  )
}

const formats = [
  ['csv', 'CSV'],
  ['jsonl', 'JSON lines'],
  ['json', 'JSON'],
  ['parquet', 'Parquet'],
] as const

/** The items as a file, in a format to choose. */
const Export = ({ address }: { address: string }) => (
  <Popover button="Export" side="left" boxClass="p-1">
    {(close) => (
      <ul>
        {formats.map(([format, text]) => (
          <li key={format}>
            <a
              href={`${address}&format=${format}`}
              download
              className={`${buttonClass('quiet')} w-full`}
              onClick={close}
            >
              {text}
            </a>
          </li>
        ))}
      </ul>
    )}
  </Popover>
)

/** Versions that have a tag, newest first, as choices. */
const useTaggedVersions = (collection: string, dataset: string): (readonly [string, string])[] => {
  const { data } = useQuery({
    queryKey: [...keys.dataset(collection, dataset), 'tagged'],
    queryFn: ({ signal }) =>
      api.listDatasetVersions({ params: { collection, dataset }, query: { limit: 100 }, signal }),
  })
  return (data?.versions ?? []).flatMap(({ index, tags }) =>
    tags.length === 0 ? [] : [[String(index), `v${index} ${tags.join(', ')}`] as const],
  )
}

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
const ItemTable = ({ items, chosen, onChoose, children }: ItemTableProps) => {
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

const pageSize = 100

/** The items of a version; the chosen one is shown beside them, with its runs. */
const ItemsTab = ({ collection, dataset }: DatasetProps) => {
  const { name } = dataset
  const navigate = useNavigate()
  const {
    item,
    split = '',
    version = '',
    q = '',
  } = useSearch({ strict: false }) as Partial<ItemsShown> & { item?: string }
  const mayWrite = useMayWrite()
  const [adding, add] = useState<'one' | 'many' | File>()
  const list = useItems(collection, name, { split, version, q })
  const change = (next: { item?: string | undefined } & Partial<ItemsShown>) => {
    const given = Object.fromEntries(Object.entries(next).map(([key, value]) => [key, value || undefined]))
    void navigate({ to: '.', search: ((was: object) => ({ ...was, ...given })) as never, replace: true })
  }
  if (list.error && !list.data) return <Problem error={list.error} onRetry={() => void list.refetch()} />
  if (!list.data) return null
  const items = list.data.pages.flatMap((page) => page.items)
  const onDrop = (event: DragEvent) => {
    event.preventDefault()
    const [file] = event.dataTransfer.files
    if (mayWrite && version === '' && file) add(file)
  }
  return (
    <Split
      label="the item"
      stored="panel-width"
      first={42}
      panel={
        item !== undefined && (
          <ItemPanel
            key={item}
            collection={collection}
            dataset={dataset}
            item={item}
            version={version}
            onClose={() => change({ item: undefined })}
          />
        )
      }
    >
      {adding === 'one' && (
        <ItemForm
          collection={collection}
          dataset={name}
          schema={dataset.item_schema}
          sample={items[0]?.data}
          onClose={() => add(undefined)}
          onSaved={(id) => change({ item: id })}
        />
      )}
      {adding !== undefined && adding !== 'one' && (
        <AddItems
          collection={collection}
          dataset={name}
          dropped={adding === 'many' ? undefined : adding}
          onClose={() => add(undefined)}
        />
      )}
      {/* biome-ignore lint/a11y/noStaticElementInteractions: items can be added by a button, too */}
      <div className="flex min-h-0 flex-1 flex-col" onDragOver={(event) => event.preventDefault()} onDrop={onDrop}>
        <ItemsToolbar
          collection={collection}
          dataset={dataset}
          total={list.data.pages[0]?.total ?? 0}
          shown={{ split, version, q }}
          onShow={change}
          onAdd={add}
        />
        {list.error && <Problem error={list.error} onRetry={() => void list.refetch()} />}
        {items.length === 0 && q !== '' ? (
          <NoneFound q={q} isSearching={list.hasNextPage} />
        ) : items.length === 0 ? (
          <Empty title={split === '' ? 'No items yet' : `No items in ${split}`}>
            <p className="mb-2">An item is the input of one run, with the result that you expect. Import a file:</p>
            <CopyLine text={`jetty datasets import ${collection}/${name} items.csv`} />
          </Empty>
        ) : (
          <ItemTable items={items} chosen={item} onChoose={(id) => change({ item: id })}>
            {list.hasNextPage && (
              <Button look="quiet" className="m-2 self-start" onClick={() => void list.fetchNextPage()}>
                More items
              </Button>
            )}
          </ItemTable>
        )}
      </div>
    </Split>
  )
}

const NoneFound = ({ q, isSearching }: { q: string; isSearching: boolean }) => (
  <Empty title={isSearching ? 'Searching…' : `No item contains “${q}”`}>
    <p>The search looks for the text in the ids and the data of items, in upper and lower case.</p>
  </Empty>
)

/** The items of a split and version, a page at a time. A search goes on by itself until it has a page of them. */
const useItems = (collection: string, dataset: string, { split, version, q }: ItemsShown) => {
  const list = useInfiniteQuery({
    queryKey: [...keys.dataset(collection, dataset), 'items', split, version, q],
    ...paged((page, signal) =>
      api.listItems({
        params: { collection, dataset },
        query: {
          limit: pageSize,
          ...(split === '' ? {} : { split }),
          ...(version === '' ? {} : { version: `~${version}` }),
          ...(q === '' ? {} : { q }),
          ...page,
        },
        signal,
      }),
    ),
    placeholderData: (before) => before,
  })
  const { data, hasNextPage, isFetching, isError, fetchNextPage } = list
  const isShort = q !== '' && (data?.pages.at(-1)?.items.length ?? pageSize) === 0
  useEffect(() => {
    if (isShort && hasNextPage && !isFetching && !isError) void fetchNextPage()
  }, [isShort, hasNextPage, isFetching, isError, fetchNextPage])
  return list
}

export default ItemsTab
