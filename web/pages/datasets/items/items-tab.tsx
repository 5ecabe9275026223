import { useInfiniteQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { api } from '../../../data/api.ts'
import { keys } from '../../../data/keys.ts'
import { useStored, writeStored } from '../../../data/stored.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Button, buttonClass } from '../../../ui/button.tsx'
import { CopyLine } from '../../../ui/copy.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { SelectField } from '../../../ui/field.tsx'
import { Split } from '../../../ui/split.tsx'
import type { DatasetProps } from '../dataset-props.ts'
import { ItemPanel } from './item-panel.tsx'
import { ItemTable } from './item-table.tsx'

const pageSize = 100

/** The items of the newest version; the chosen one is shown beside them, with its runs. */
const ItemsTab = ({ collection, dataset }: DatasetProps) => {
  const { name, splits } = dataset
  const navigate = useNavigate()
  const { item, split = '' } = useSearch({ strict: false }) as { item?: string; split?: string }
  const width = Number(useStored('panel-width') ?? 42)
  const list = useInfiniteQuery({
    queryKey: [...keys.dataset(collection, name), 'items', split],
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) =>
      api.listItems({
        params: { collection, dataset: name },
        query: {
          limit: pageSize,
          ...(pageParam === '' ? {} : { cursor: pageParam }),
          ...(split === '' ? {} : { split }),
        },
        signal,
      }),
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  })
  const change = (next: { item?: string | undefined; split?: string | undefined }) =>
    void navigate({ to: '.', search: ((was: object) => ({ ...was, ...next })) as never, replace: true })
  if (list.error) return <Problem error={list.error} onRetry={() => void list.refetch()} />
  if (!list.data) return null
  const items = list.data.pages.flatMap((page) => page.items)
  const total = list.data.pages[0]?.total ?? 0
  const exported = `/api/v1/datasets/${encodeURIComponent(collection)}/${encodeURIComponent(name)}/items/export`
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
            dataset={name}
            item={item}
            onClose={() => change({ item: undefined })}
          />
        )
      }
    >
      <div className="flex shrink-0 flex-wrap items-center gap-2 border-line border-b px-4 py-2">
        <span className="text-muted">
          {total.toLocaleString('en')} {total === 1 ? 'item' : 'items'}
        </span>
        {splits && (
          <SelectField
            label="Split"
            hidesLabel
            value={split}
            options={[['', 'All splits'], ...Object.keys(splits).map((one) => [one, one] as const)]}
            onChange={(event) => change({ split: event.target.value || undefined })}
          />
        )}
        <span className="flex-1" />
        {total > 0 && (
          <a href={`${exported}?format=csv`} download className={buttonClass()}>
            CSV
          </a>
        )}
        {total > 0 && (
          <a href={exported} download className={buttonClass()}>
            JSON lines
          </a>
        )}
      </div>
      {items.length === 0 ? (
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
    </Split>
  )
}

export default ItemsTab
