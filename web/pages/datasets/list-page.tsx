import { useInfiniteQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { api } from '../../data/api.ts'
import { keys } from '../../data/keys.ts'
import { useTitle } from '../../data/title.ts'
import { useMayWrite } from '../../data/whoami.ts'
import { CollectionTabs } from '../../parts/collection-tabs.tsx'
import { datasetHref, PageLink } from '../../parts/page-link.tsx'
import { Problem } from '../../parts/problem.tsx'
import { Badge } from '../../ui/badge.tsx'
import { Button } from '../../ui/button.tsx'
import { Empty } from '../../ui/empty.tsx'
import { TextField } from '../../ui/field.tsx'
import { DatasetHits } from './dataset-hits.tsx'
import { NewDataset } from './new-dataset.tsx'

const pageSize = 100

/** The datasets of a collection. */
export const DatasetsPage = () => {
  const { collection = '' } = useParams({ strict: false })
  const mayWrite = useMayWrite()
  const [text, setText] = useState('')
  const [isAdding, setAdding] = useState(false)
  useTitle('Datasets', collection)
  const list = useInfiniteQuery({
    queryKey: keys.datasets(collection),
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) =>
      api.listDatasets({ params: { collection }, query: { skip: pageParam, limit: pageSize }, signal }),
    getNextPageParam: (last, pages) => (last.length < pageSize ? undefined : pages.length * pageSize),
  })
  const datasets = list.data?.pages.flat() ?? []
  const isSearch = text.trim() !== ''
  return (
    <main data-scroll-restoration-id="page" className="min-h-0 flex-1 overflow-auto">
      <h1 className="sr-only">Datasets of {collection}</h1>
      <CollectionTabs collection={collection} current="datasets" />
      <div className="mx-auto flex max-w-240 flex-col gap-2 px-4 py-6">
        {isAdding && <NewDataset collection={collection} onClose={() => setAdding(false)} />}
        <div className="flex items-center gap-2">
          <TextField
            label="Search datasets"
            hidesLabel
            type="search"
            boxClass="min-w-0 flex-1"
            placeholder="Search names, descriptions and metadata of all datasets"
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
          {mayWrite && (
            <Button icon="plus" onClick={() => setAdding(true)}>
              New dataset
            </Button>
          )}
        </div>
        {isSearch && <DatasetHits collection={collection} text={text} />}
        {list.error && <Problem error={list.error} onRetry={() => void list.refetch()} />}
        {!isSearch && list.data && datasets.length === 0 && (
          <Empty title="No dataset yet" command={`jetty datasets create ${collection}/questions`}>
            A dataset is a named set of files or items with a version for each change. Create one here, from a terminal
            or over the API.
          </Empty>
        )}
        {!isSearch && datasets.length > 0 && (
          <ul className="divide-y divide-line border-line border-y">
            {datasets.map((dataset) => (
              <li key={dataset.id}>
                <PageLink
                  href={datasetHref(collection, dataset.name)}
                  className="flex flex-wrap items-center gap-x-4 gap-y-1 px-2 py-2 hover:bg-sunk"
                >
                  <span className="min-w-48 flex-1">
                    <span className="block truncate font-medium">{dataset.name}</span>
                    <span className="block truncate text-12 text-muted">{dataset.long_description}</span>
                  </span>
                  {dataset.format && <span className="text-12 text-muted">{dataset.format}</span>}
                  <Badge>{dataset.is_private ? 'private' : 'public'}</Badge>
                </PageLink>
              </li>
            ))}
          </ul>
        )}
        {!isSearch && list.hasNextPage && (
          <Button look="quiet" className="self-start" onClick={() => void list.fetchNextPage()}>
            More datasets
          </Button>
        )}
      </div>
    </main>
  )
}
