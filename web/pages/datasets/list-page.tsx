import { useInfiniteQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { api } from '../../data/api.ts'
import { keys } from '../../data/keys.ts'
import { useTitle } from '../../data/title.ts'
import { useMayWrite } from '../../data/whoami.ts'
import { CollectionTabs } from '../../parts/collection-tabs.tsx'
import { datasetHref } from '../../parts/page-link.tsx'
import { Problem } from '../../parts/problem.tsx'
import { SortedList } from '../../parts/sorted-list/sorted-list.tsx'
import { Badge } from '../../ui/badge.tsx'
import { Button } from '../../ui/button.tsx'
import { Empty } from '../../ui/empty.tsx'
import { TextField } from '../../ui/field.tsx'
import { DatasetHits } from './dataset-hits.tsx'
import { NewDataset } from './new-dataset.tsx'

const pageSize = 500

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
          <SortedList
            noun="datasets"
            hidesSearch
            rows={datasets}
            keyOf={({ id }) => id}
            hrefOf={({ name }) => datasetHref(collection, name)}
            textOf={({ name }) => name}
            grid="grid-cols-[minmax(12rem,1fr)_8rem_6rem]"
            first={{ by: 'Name', direction: 'asc' }}
            columns={[
              {
                name: 'Name',
                by: ({ name }) => name,
                cell: ({ name, long_description: about }) => (
                  <>
                    <span className="block truncate font-medium">{name}</span>
                    <span className="block truncate text-12 text-muted">{about}</span>
                  </>
                ),
              },
              {
                name: 'Format',
                by: ({ format }) => format,
                className: 'truncate text-12 text-muted',
                cell: ({ format }) => format,
              },
              {
                name: 'Read by',
                by: ({ is_private: isPrivate }) => (isPrivate ? 'private' : 'public'),
                cell: ({ is_private: isPrivate }) => <Badge>{isPrivate ? 'private' : 'public'}</Badge>,
              },
            ]}
          />
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
