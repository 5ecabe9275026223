import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { Dataset } from '../../../../src/model/data/dataset.ts'
import type { LineageNode } from '../../../../src/model/data/lineage.ts'
import { api } from '../../../data/api.ts'
import { useNow } from '../../../data/clock.ts'
import { keys } from '../../../data/keys.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { Confirm } from '../../../parts/form-dialog.tsx'
import { JsonTree } from '../../../parts/json-tree/json-tree.tsx'
import { fileAddress } from '../../../parts/media/media-kind.ts'
import { lineageHref, PageLink, runHref } from '../../../parts/page-link.tsx'
import { Problem } from '../../../parts/problem.tsx'
import { personText } from '../../../parts/status-of-run.ts'
import { agoText } from '../../../text/times.ts'
import { Badge } from '../../../ui/badge.tsx'
import { IconButton } from '../../../ui/button.tsx'
import { StatusMark, statusWord } from '../../../ui/status.tsx'
import { showToast } from '../../../ui/toast.tsx'
import { ItemForm } from './add/item-form.tsx'

type Lineage = Awaited<ReturnType<typeof api.getLineage>>
type NodeOf<Type extends LineageNode['type']> = Extract<LineageNode, { type: Type }>

/** A run over an item, with what came of it. */
interface ItemRun {
  id: string
  task: string
  trajectoryId: string
  status: string
  taskVersion: number | null
  datasetVersion: number | null
  /** Whether the item has other data now than then. */
  isStale: boolean
  scores: NodeOf<'score'>[]
  files: NodeOf<'file'>[]
}

/** The runs of a lineage in its order, each with its scores and files. */
export const runsOverItem = ({ nodes, edges }: Lineage): ItemRun[] => {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  /** What came of a run, and of the runs that it started. */
  const below = (id: string): LineageNode[] =>
    edges
      .filter(({ from }) => from === id)
      .flatMap(({ to, kind }) => (kind === 'started' ? below(to) : (byId.get(to) ?? [])))
  return nodes.flatMap((node) => {
    if (node.type !== 'run') return []
    const input = edges.find(({ to, kind }) => to === node.id && kind === 'input')
    if (!input) return []
    const made = below(node.id)
    return [
      {
        id: node.id,
        task: node.task,
        trajectoryId: node.trajectory_id,
        status: node.status,
        taskVersion: node.task_version,
        datasetVersion: input.dataset_version,
        isStale: input.is_stale === true,
        scores: made.flatMap((one) => (one.type === 'score' ? [one] : [])),
        files: made.flatMap((one) => (one.type === 'file' ? [one] : [])),
      },
    ]
  })
}

interface ItemRunsProps {
  collection: string
  dataset: string
  item: string
}

/** What the server wrote down when it ran tasks over an item: the runs, their scores and files, newest first. */
const ItemRuns = ({ collection, dataset, item }: ItemRunsProps) => {
  const { data, error, refetch } = useQuery({
    queryKey: [...keys.dataset(collection, dataset), 'lineage', item],
    queryFn: ({ signal }) => api.getLineage({ params: { collection }, query: { dataset, item }, signal }),
  })
  if (error) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return null
  const runs = runsOverItem(data)
  return (
    <section aria-label="Runs over this item">
      <div className="mb-1 flex items-baseline gap-3">
        <h3 className="flex-1 font-medium text-12 text-muted">Runs over this item</h3>
        <PageLink href={lineageHref(collection, { dataset, item })} className="text-12 text-accent">
          Lineage as a graph
        </PageLink>
      </div>
      {runs.length === 0 && <p className="text-muted">No task ran over it yet.</p>}
      <ul className="divide-y divide-line border-line border-y empty:hidden">
        {runs.map((run) => (
          <RunLine key={run.id} collection={collection} run={run} />
        ))}
      </ul>
      {!data.is_complete && <p className="mt-1 text-12 text-muted">There are more; these are the newest.</p>}
    </section>
  )
}

const RunLine = ({ collection, run }: { collection: string; run: ItemRun }) => (
  <li className="flex flex-wrap items-center gap-x-3 gap-y-1 py-1.5">
    <StatusMark of={run.status} label={statusWord(run.status)} />
    <PageLink
      href={runHref({ collection, task: run.task, trajectory_id: run.trajectoryId })}
      className="min-w-0 truncate text-accent"
    >
      {run.task}/<span className="font-mono text-12">{run.trajectoryId}</span>
    </PageLink>
    <span className="text-12 text-muted">
      {run.taskVersion === null ? '' : `task v${run.taskVersion} · `}dataset v{run.datasetVersion ?? '–'}
    </span>
    {run.isStale && <Badge title="The item has other data now">stale</Badge>}
    {run.scores.map(({ id, key, value }) => (
      <Badge key={id} title={`${key}: ${value}`}>
        {key}: {value}
      </Badge>
    ))}
    {run.files.map(({ id, path, label }) => (
      <a key={id} href={fileAddress(path, false)} className="truncate text-12 text-accent" download>
        {label}
      </a>
    ))}
  </li>
)

interface RemoveItemProps {
  collection: string
  dataset: string
  item: string
  onClose: () => void
  onRemoved: () => void
}

/** Asks before an item is removed. */
const RemoveItem = ({ collection, dataset, item, onClose, onRemoved }: RemoveItemProps) => {
  const queries = useQueryClient()
  return (
    <Confirm
      title={`Remove ${item}?`}
      action="Remove"
      cancel="Keep it"
      work={() => api.deleteItem({ params: { collection, dataset, item } })}
      onDone={({ version }) => {
        onRemoved()
        showToast({ text: `Version ${version} is without ${item}` })
        return queries.invalidateQueries({ queryKey: keys.dataset(collection, dataset) })
      }}
      onClose={onClose}
    >
      <p>The next version is without it. Versions that have it keep it.</p>
    </Confirm>
  )
}

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
