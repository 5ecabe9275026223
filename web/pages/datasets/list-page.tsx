import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { useDeferredValue, useState } from 'react'
import { api } from '../../data/api.ts'
import { useTitle } from '../../data/browser.ts'
import { keys } from '../../data/keys.ts'
import { useMayWrite } from '../../data/whoami.ts'
import { CollectionTabs } from '../../parts/collection-tabs.tsx'
import { FormDialog } from '../../parts/form-dialog.tsx'
import { ListFrame } from '../../parts/list-frame.tsx'
import { datasetHref, PageLink } from '../../parts/page-link.tsx'
import { Problem } from '../../parts/problem.tsx'
import { SortedList } from '../../parts/sorted-list/sorted-list.tsx'
import { Badge } from '../../ui/badge.tsx'
import { Button } from '../../ui/button.tsx'
import { Empty } from '../../ui/empty.tsx'
import { TextArea, TextField } from '../../ui/field.tsx'

/** Creates an empty dataset, and opens it. */
const NewDataset = ({ collection, onClose }: { collection: string; onClose: () => void }) => {
  const queries = useQueryClient()
  const navigate = useNavigate()
  const [name, setName] = useState('')
  const [description, setDescription] = useState('')
  const about = description.trim()
  return (
    <FormDialog
      title="New dataset"
      action="Create"
      isReady={name.trim() !== ''}
      work={() =>
        api.createDataset({
          params: { collection },
          body: { name: name.trim(), ...(about === '' ? {} : { long_description: about }) },
        })
      }
      onDone={() => queries.invalidateQueries({ queryKey: keys.datasets(collection) })}
      next={(made) =>
        void navigate({ to: '/$collection/-/datasets/$dataset', params: { collection, dataset: made.name } })
      }
      onClose={onClose}
      fields={['name']}
    >
      {(at) => (
        <>
          <TextField label="Name" value={name} error={at.name} onChange={(event) => setName(event.target.value)} />
          <TextArea
            label="What it is"
            hint="It is private: only keys of this collection see it."
            value={description}
            onChange={(event) => setDescription(event.target.value)}
          />
        </>
      )}
    </FormDialog>
  )
}

const mostHits = 50

/** Datasets whose names, descriptions or metadata have a text: of all collections that this person sees, own ones first. */
const DatasetHits = ({ collection, text }: { collection: string; text: string }) => {
  const q = useDeferredValue(text.trim())
  const found = useQuery({
    queryKey: ['dataset-search', q],
    queryFn: ({ signal }) => api.searchDatasets({ query: { q, limit: mostHits }, signal }),
    placeholderData: (was) => was,
  })
  if (found.error) return <Problem error={found.error} onRetry={() => void found.refetch()} />
  if (!found.data) return null
  const hits = found.data.hits
    .map(({ document }) => document)
    .toSorted((a, b) => Number(b.collection_name === collection) - Number(a.collection_name === collection))
  if (hits.length === 0) return <p className="px-2 text-muted">No dataset has this text.</p>
  return (
    <>
      <ul aria-label="Datasets that were found" className="divide-y divide-line border-line border-y">
        {hits.map(({ collection_name: place, entity_name: name, description, is_private: isPrivate }) => (
          <li key={`${place}/${name}`}>
            <PageLink
              href={datasetHref(place, name)}
              className="flex flex-wrap items-center gap-x-4 gap-y-1 px-2 py-2 hover:bg-sunk"
            >
              <span className="min-w-48 flex-1">
                <span className="block truncate font-medium">
                  {place === collection ? '' : `${place} / `}
                  {name}
                </span>
                <span className="block truncate text-12 text-muted">{description}</span>
              </span>
              <Badge>{isPrivate ? 'private' : 'public'}</Badge>
            </PageLink>
          </li>
        ))}
      </ul>
      {hits.length === mostHits && (
        <p className="px-2 text-12 text-muted">These are the first {mostHits}. Write more of the text.</p>
      )}
    </>
  )
}

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
        {isSearch ? (
          <DatasetHits collection={collection} text={text} />
        ) : (
          <ListFrame
            list={list}
            count={datasets.length}
            more="More datasets"
            empty={
              <Empty title="No dataset yet" command={`jetty datasets create ${collection}/questions`}>
                A dataset is a named set of files or items with a version for each change. Create one here, from a
                terminal or over the API.
              </Empty>
            }
          >
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
          </ListFrame>
        )}
      </div>
    </main>
  )
}
