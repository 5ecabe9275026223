import { useInfiniteQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { type DragEvent, useEffect, useState } from 'react'
import { api } from '../../../data/api.ts'
import { keys } from '../../../data/keys.ts'
import { useStored, writeStored } from '../../../data/stored.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { CopyLine } from '../../../ui/copy.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { Split } from '../../../ui/split.tsx'
import type { DatasetProps } from '../dataset-props.ts'
import { AddItems } from './add/add-items.tsx'
import { ItemForm } from './add/item-form.tsx'
import { ItemPanel } from './item-panel.tsx'
import { ItemTable } from './item-table.tsx'
import { type ItemsShown, ItemsToolbar } from './items-toolbar.tsx'

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
  const width = Number(useStored('panel-width') ?? 42)
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
      percent={width}
      onResize={(percent) => writeStored('panel-width', String(Math.round(percent)))}
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
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) =>
      api.listItems({
        params: { collection, dataset },
        query: {
          limit: pageSize,
          ...(pageParam === '' ? {} : { cursor: pageParam }),
          ...(split === '' ? {} : { split }),
          ...(version === '' ? {} : { version: `~${version}` }),
          ...(q === '' ? {} : { q }),
        },
        signal,
      }),
    getNextPageParam: (last) => last.next_cursor ?? undefined,
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
