import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { type ComponentType, Suspense, useState } from 'react'
import { api } from '../../data/api.ts'
import { useTitle } from '../../data/browser.ts'
import { keys } from '../../data/keys.ts'
import { lazyPart } from '../../data/server-away.ts'
import { useMayWrite } from '../../data/whoami.ts'
import { Confirm, Lost } from '../../parts/form-dialog.tsx'
import { Problem } from '../../parts/problem.tsx'
import { Badge } from '../../ui/badge.tsx'
import { buttonClass } from '../../ui/button.tsx'
import { Icon } from '../../ui/icon.tsx'
import { Menu } from '../../ui/menu.tsx'
import { Tabs } from '../../ui/tabs.tsx'
import { showToast } from '../../ui/toast.tsx'
import { type DatasetProps, type DatasetTab, datasetTabs, readDatasetTab } from './dataset-tabs.ts'

/** From so many items on the name has to be typed. */
const manyItems = 100

/** Deletes a dataset, after it has said what is lost. */
const DeleteDataset = ({ collection, dataset, onClose }: DatasetProps & { onClose: () => void }) => {
  const navigate = useNavigate()
  const queries = useQueryClient()
  const params = { collection, dataset: dataset.name }
  const items = useQuery({
    queryKey: [...keys.dataset(collection, dataset.name), 'counted'],
    queryFn: ({ signal }) => api.listItems({ params, query: { limit: 1 }, signal }),
  })
  const files = useQuery({
    queryKey: [...keys.dataset(collection, dataset.name), 'files-counted'],
    queryFn: ({ signal }) => api.listDatasetData({ params, query: { limit: 1000 }, signal }),
  })
  const total = items.data?.total ?? 0
  return (
    <Confirm
      title={`Delete ${dataset.name}?`}
      action="Delete it"
      typed={total >= manyItems ? dataset.name : undefined}
      isLoading={items.isPending}
      work={() => api.deleteDataset({ params })}
      onDone={() => {
        showToast({ text: `Deleted ${dataset.name}` })
        void queries.invalidateQueries({ queryKey: keys.datasets(collection) })
        void navigate({ to: '/$collection/-/datasets', params: { collection } })
      }}
      onClose={onClose}
      command={`jetty datasets rm ${collection}/${dataset.name}`}
    >
      <p>This is deleted for ever:</p>
      <Lost
        of={[
          [total, 'item', 'items'],
          [files.data?.files.length ?? 0, 'file', 'files'],
          [dataset.version + 1, 'version', 'versions'],
        ]}
      />
      <p className="text-muted">Runs, batches and evaluations over its items stay, and lose their link to it.</p>
    </Confirm>
  )
}

const LineageView = lazyPart(() => import('../../parts/lineage/lineage-view.tsx'))

const pages: Record<DatasetTab, ComponentType<DatasetProps>> = {
  items: lazyPart(() => import('./items/items-tab.tsx')),
  files: lazyPart(() => import('./files/files-tab.tsx')),
  results: lazyPart(() => import('./results/results-tab.tsx')),
  versions: lazyPart(() => import('./versions/versions-tab.tsx')),
  lineage: ({ collection, dataset: { name } }) => <LineageView collection={collection} of={{ dataset: name }} />,
  metadata: lazyPart(() => import('./metadata-tab.tsx')),
}

/** One dataset: what is in it, what it was, and what describes it. */
export const DatasetPage = () => {
  const { collection = '', dataset: name = '' } = useParams({ strict: false }) as Record<string, string>
  const navigate = useNavigate()
  const tab = readDatasetTab(useSearch({ strict: false }).tab)
  const mayWrite = useMayWrite()
  const [isAsking, setAsking] = useState(false)
  useTitle(name, collection)
  const read = useQuery({
    queryKey: keys.dataset(collection, name),
    queryFn: ({ signal }) => api.getDataset({ params: { collection, dataset: name }, signal }),
  })
  if (read.error && !read.data) return <Problem error={read.error} onRetry={() => void read.refetch()} />
  if (!read.data) return <main aria-busy className="flex-1" />
  const dataset = read.data
  const Page = pages[tab]
  return (
    <main className="flex min-h-0 flex-1 flex-col">
      <header className="flex flex-wrap items-baseline gap-x-3 gap-y-1 px-4 pt-3">
        <h1 className="font-semibold text-15 [overflow-wrap:anywhere]">{dataset.name}</h1>
        <Badge>{dataset.is_private ? 'private' : 'public'}</Badge>
        <span className="text-12 text-muted">
          version {dataset.version}
          {dataset.metadata_version ? ` · ${dataset.metadata_version}` : ''}
          {dataset.format ? ` · ${dataset.format}` : ''}
        </span>
        {mayWrite && (
          <Menu
            label={`More about ${dataset.name}`}
            className={`${buttonClass('quiet', true)} ml-auto`}
            side="left"
            button={<Icon name="dots" />}
            items={[{ text: 'Delete this dataset', icon: 'bin', isBad: true, onSelect: () => setAsking(true) }]}
          />
        )}
        {isAsking && <DeleteDataset collection={collection} dataset={dataset} onClose={() => setAsking(false)} />}
        {dataset.long_description && (
          <p className="w-full text-muted [overflow-wrap:anywhere]">{dataset.long_description}</p>
        )}
      </header>
      {read.error && <Problem error={read.error} onRetry={() => void read.refetch()} />}
      <Tabs
        label="Parts of the dataset"
        tabs={datasetTabs.map(([one, text]) => ({ name: one, text }))}
        current={tab}
        onSelect={(next) =>
          void navigate({ to: '.', search: (next === 'items' ? {} : { tab: next }) as never, replace: true })
        }
        className="shrink-0 border-line border-b px-4"
      />
      <div role="tabpanel" aria-label={tab} className="flex min-h-0 flex-1 flex-col">
        <Suspense>
          <Page collection={collection} dataset={dataset} />
        </Suspense>
      </div>
    </main>
  )
}
