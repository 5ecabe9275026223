import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Dataset } from '../../../../src/model/data/dataset.ts'
import { api } from '../../../data/api.ts'
import { useNow } from '../../../data/clock.ts'
import { keys } from '../../../data/keys.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { JsonTree } from '../../../parts/json-tree/json-tree.tsx'
import { PageLink, runHref } from '../../../parts/page-link.tsx'
import { Problem } from '../../../parts/problem.tsx'
import { personText } from '../../../parts/status-of-run.ts'
import { agoText } from '../../../text/ago.ts'
import { IconButton } from '../../../ui/button.tsx'
import { ItemForm } from './add/item-form.tsx'
import { ItemRuns } from './item-runs.tsx'
import { RemoveItem } from './remove-item.tsx'

/** Paths of their own beside those of items. */
const otherPaths = new Set(['export', 'diff'])

interface ItemPanelProps {
  collection: string
  dataset: Dataset
  item: string
  /** Index of the version that is shown; empty: the newest one, which can be changed. */
  version: string
  onClose: () => void
}

/** One item: its data, where it is from, what came of it, and what it has been. */
export const ItemPanel = ({
  collection,
  dataset: { name: dataset, item_schema: schema },
  item,
  version: shown,
  onClose,
}: ItemPanelProps) => {
  const now = useNow()
  const mayWrite = useMayWrite() && shown === ''
  const [opened, open] = useState<'edit' | 'remove'>()
  const params = { collection, dataset, item }
  const read = useQuery({
    queryKey: [...keys.dataset(collection, dataset), 'item', item, shown],
    queryFn: async ({ signal }) => {
      const at = shown === '' ? {} : { version: `~${shown}` }
      const found = otherPaths.has(item)
        ? await api.listItems({ params, query: { id: item, ...at }, signal })
        : undefined
      return found?.items[0] ?? api.getItem({ params, query: at, signal })
    },
  })
  const revisions = useQuery({
    queryKey: [...keys.dataset(collection, dataset), 'revisions', item],
    queryFn: ({ signal }) => api.listItemRevisions({ params, signal }),
  })
  if (read.error && !read.data) {
    return (
      <div className="flex items-start pr-4 pt-3">
        <div className="min-w-0 flex-1">
          <Problem error={read.error} onRetry={() => void read.refetch()} />
        </div>
        <IconButton icon="cross" label="Close the item" onClick={onClose} />
      </div>
    )
  }
  if (!read.data) return <p className="p-4 text-muted">Loading…</p>
  const { data, split, source, author, created_at: created, version } = read.data
  return (
    <div className="flex h-full flex-col gap-4 overflow-auto p-4">
      <div className="flex items-start gap-2">
        <div className="min-w-0 flex-1">
          <h2 className="font-semibold text-15 [overflow-wrap:anywhere]">{item}</h2>
          <p className="text-12 text-muted">
            since version {version} · {personText(author)} · {agoText(created, now)}
            {split === null ? '' : ` · split ${split}`}
          </p>
          {source && (
            <p className="text-12 text-muted">
              {source.corrected ? 'corrected by a person, from' : 'from'}{' '}
              <PageLink href={runHref(source)} className="text-accent underline">
                {source.task}/<span className="font-mono">{source.trajectory_id}</span>
              </PageLink>
            </p>
          )}
        </div>
        {mayWrite && <IconButton icon="edit" label="Edit the item" onClick={() => open('edit')} />}
        {mayWrite && <IconButton icon="bin" label="Remove the item" onClick={() => open('remove')} />}
        <IconButton icon="cross" label="Close the item" onClick={onClose} />
      </div>
      {opened === 'edit' && (
        <ItemForm
          collection={collection}
          dataset={dataset}
          schema={schema}
          item={{ id: item, data }}
          onClose={() => open(undefined)}
        />
      )}
      {opened === 'remove' && (
        <RemoveItem
          collection={collection}
          dataset={dataset}
          item={item}
          onClose={() => open(undefined)}
          onRemoved={onClose}
        />
      )}
      <JsonTree value={data} path="" label="data" />
      <ItemRuns collection={collection} dataset={dataset} item={item} />
      {revisions.error && <Problem error={revisions.error} onRetry={() => void revisions.refetch()} />}
      {(revisions.data?.revisions.length ?? 0) > 1 && (
        <section aria-label="What it has been">
          <h3 className="mb-1 font-medium text-12 text-muted">What it has been</h3>
          <ul className="flex flex-col gap-2">
            {revisions.data?.revisions.slice(1).map((one) => (
              <li key={one.version}>
                <p className="text-12 text-muted">
                  versions {one.version} to {(one.until_version ?? one.version + 1) - 1} · {personText(one.author)} ·{' '}
                  {agoText(one.created_at, now)}
                </p>
                <JsonTree value={one.data} path="" label={`data in version ${one.version}`} />
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  )
}
