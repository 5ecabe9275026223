import { useInfiniteQuery } from '@tanstack/react-query'
import { Suspense, useState } from 'react'
import { api } from '../../../data/api.ts'
import { keys } from '../../../data/keys.ts'
import { paged } from '../../../data/paged.ts'
import { lazyPart } from '../../../data/server-away.ts'
import { ListFrame } from '../../../parts/list-frame.tsx'
import { Icon } from '../../../ui/icon.tsx'

const JsonDiff = lazyPart(() => import('../../../parts/diff/json-diff.tsx'))

const marks = { added: '+', removed: '−', changed: '≠' } as const

interface ItemDifferencesProps {
  collection: string
  dataset: string
  from: number
  to: number
}

/** The items that differ between two versions; an opened one shows both. */
export const ItemDifferences = ({ collection, dataset, from, to }: ItemDifferencesProps) => {
  const [opened, open] = useState<string>()
  const list = useInfiniteQuery({
    queryKey: [...keys.dataset(collection, dataset), 'differences', from, to],
    staleTime: Number.POSITIVE_INFINITY,
    ...paged((page, signal) =>
      api.diffItems({ params: { collection, dataset }, query: { from: `~${from}`, to: `~${to}`, ...page }, signal }),
    ),
  })
  const items = list.data?.pages.flatMap((page) => page.items) ?? []
  return (
    <section aria-label="Items that differ" className="flex flex-col items-start gap-2">
      <ListFrame
        list={list}
        count={items.length}
        more="More items"
        empty={<p className="text-muted">The items are the same.</p>}
      >
        <h3 className="font-medium text-12 text-muted">Items that differ</h3>
        <ul className="w-full divide-y divide-line border-line border-y">
          {items.map(({ id, change, before, after }) => (
            <li key={id}>
              <button
                type="button"
                aria-expanded={id === opened}
                onClick={() => open(id === opened ? undefined : id)}
                className="flex w-full items-center gap-2 px-2 py-1 text-left hover:bg-sunk"
              >
                <Icon name={id === opened ? 'down' : 'right'} className="text-muted" />
                <span className="w-20 text-muted">
                  {marks[change]} {change}
                </span>
                <span className="min-w-0 flex-1 truncate font-mono text-12">{id}</span>
              </button>
              {id === opened && (
                <Suspense>
                  <JsonDiff label={`Item ${id}`} before={pretty(before)} after={pretty(after)} />
                </Suspense>
              )}
            </li>
          ))}
        </ul>
      </ListFrame>
    </section>
  )
}

const pretty = (data: unknown): string => (data === null ? '' : JSON.stringify(data, null, 2))
