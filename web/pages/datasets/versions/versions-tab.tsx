import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, Suspense, useState } from 'react'
import { memberText } from '../../../../src/lib/json/json-text.ts'
import { prettyJson } from '../../../../src/lib/json/pretty-json.ts'
import { api, apiCall } from '../../../data/api.ts'
import { useNow } from '../../../data/clock.ts'
import { keys } from '../../../data/keys.ts'
import { paged } from '../../../data/paged.ts'
import { lazyPart } from '../../../data/server-away.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { ListFrame } from '../../../parts/list-frame.tsx'
import { errorText, Problem } from '../../../parts/problem.tsx'
import { VersionList } from '../../../parts/versions/version-list.tsx'
import { versionMeta } from '../../../parts/versions/version-meta.ts'
import { Button } from '../../../ui/button.tsx'
import { SelectField, TextField } from '../../../ui/field.tsx'
import { Icon } from '../../../ui/icon.tsx'
import { showToast } from '../../../ui/toast.tsx'
import type { DatasetProps } from '../dataset-tabs.ts'

const marks = { added: '+', removed: '−', changed: '≠' } as const

interface ItemDifferencesProps {
  collection: string
  dataset: string
  from: number
  to: number
}

/** The items that differ between two versions; an opened one shows both. */
const ItemDifferences = ({ collection, dataset, from, to }: ItemDifferencesProps) => {
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

interface VersionTagsProps {
  collection: string
  dataset: string
  index: number
  tags: readonly string[]
  /** The tag that the version was saved with; it stays. */
  saved: unknown
}

/** The names of a version. Runs and exports find it by them; a name that another version has moves here. */
const VersionTags = ({ collection, dataset, index, tags, saved }: VersionTagsProps) => {
  const queries = useQueryClient()
  const mayWrite = useMayWrite()
  const [name, setName] = useState('')
  const change = useMutation({
    mutationFn: async ({ tag, isGone }: { tag: string; isGone: boolean }) => {
      const params = { collection, dataset, tag }
      if (isGone) await api.deleteDatasetTag({ params })
      else await api.setDatasetTag({ params, body: { version: `~${index}` } })
    },
    onSuccess: (_, { tag }) => {
      setName((was) => (was.trim() === tag ? '' : was))
      return queries.invalidateQueries({ queryKey: keys.dataset(collection, dataset) })
    },
    onError: (error) => showToast({ text: errorText(error), isBad: true }),
  })
  const onSubmit = (event: FormEvent) => {
    event.preventDefault()
    if (name.trim() !== '') change.mutate({ tag: name.trim(), isGone: false })
  }
  if (tags.length === 0 && !mayWrite) return null
  return (
    <div className="flex flex-wrap items-center gap-2">
      {tags.map((tag) => (
        <span key={tag} className="inline-flex h-7 items-center gap-1 rounded-s border border-line px-2 text-12">
          <span className="max-w-40 truncate">{tag}</span>
          {mayWrite && tag !== saved && (
            <button
              type="button"
              aria-label={`Remove the tag ${tag}`}
              className="text-muted hover:text-text"
              onClick={() => change.mutate({ tag, isGone: true })}
            >
              <Icon name="cross" className="size-3" />
            </button>
          )}
        </span>
      ))}
      {mayWrite && (
        <form onSubmit={onSubmit} className="flex items-center gap-1">
          <TextField
            label="New tag"
            hidesLabel
            placeholder="gold"
            className="w-28"
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
          <Button type="submit" icon="label" disabled={name.trim() === '' || change.isPending}>
            Tag
          </Button>
        </form>
      )}
    </div>
  )
}

const JsonDiff = lazyPart(() => import('../../../parts/diff/json-diff.tsx'))

const pageSize = 50

/** What a dataset has been, and how two of its versions differ. */
const VersionsTab = ({ collection, dataset: { name, version: newest } }: DatasetProps) => {
  const [chosen, choose] = useState(newest)
  const [base, setBase] = useState<number>()
  const params = { collection, dataset: name }
  const list = useInfiniteQuery({
    queryKey: [...keys.dataset(collection, name), 'versions'],
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) =>
      api.listDatasetVersions({ params, query: { skip: pageParam, limit: pageSize }, signal }),
    getNextPageParam: (last, pages) =>
      pages.length * pageSize < last.total_versions ? pages.length * pageSize : undefined,
  })
  if (list.error && !list.data) return <Problem error={list.error} onRetry={() => void list.refetch()} />
  if (!list.data) return null
  const versions = list.data.pages.flatMap((page) => page.versions)
  const before = base ?? chosen - 1
  const others = versions
    .filter(({ index }) => index !== chosen)
    .map(({ index }) => [String(index), `v${index}`] as const)
  return (
    <div className="flex min-h-0 flex-1 max-md:flex-col">
      <VersionList
        versions={versions}
        chosen={chosen}
        onChoose={choose}
        onMore={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
      />
      {list.error && <Problem error={list.error} onRetry={() => void list.refetch()} />}
      <VersionView key={`${chosen} ${before}`} collection={collection} name={name} index={chosen} before={before}>
        {others.length > 0 && (
          <SelectField
            label="Compared with"
            hidesLabel
            value={String(before)}
            options={before < 0 ? [['-1', 'nothing'], ...others] : others}
            onChange={(event) => setBase(Number(event.target.value))}
          />
        )}
      </VersionView>
    </div>
  )
}

interface VersionViewProps {
  collection: string
  name: string
  index: number
  /** The version that it is compared with; below 0: none. */
  before: number
  children: React.ReactNode
}

type Version = Awaited<ReturnType<typeof api.getDatasetVersion>>

/** The fields of a version as text, as they were stored. */
const readVersion = async (params: { collection: string; dataset: string }, index: number, signal: AbortSignal) => {
  const asked = { params: { ...params, ref: `~${index}` }, asText: true, signal } as const
  const text = (await apiCall('getDatasetVersion', asked)) as string
  return { version: JSON.parse(text) as Version, data: prettyJson(memberText(text, 'data') ?? '{}') }
}

const VersionView = ({ collection, name, index, before, children }: VersionViewProps) => {
  const now = useNow()
  const params = { collection, dataset: name }
  const read = useQuery({
    queryKey: [...keys.dataset(collection, name), 'version', index, before],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }) => ({
      after: await readVersion(params, index, signal),
      before: before < 0 ? undefined : await readVersion(params, before, signal),
    }),
  })
  if (read.error && !read.data) return <Problem error={read.error} onRetry={() => void read.refetch()} />
  if (!read.data) return <div className="flex-1" />
  const { after, before: earlier } = read.data
  return (
    <section aria-label={`Version ${index}`} className="flex min-h-0 min-w-0 flex-1 flex-col gap-3 overflow-auto p-4">
      <div className="flex flex-wrap items-center gap-2">
        <h2 className="mr-auto font-semibold text-15">
          Version {index}
          <span className="ml-2 font-normal text-13 text-muted">{versionMeta(after.version, now)}</span>
        </h2>
        <span className="text-muted">compared with</span>
        {children}
      </div>
      <VersionTags
        collection={collection}
        dataset={name}
        index={index}
        tags={after.version.tags}
        saved={after.version.data.metadata_version}
      />
      <p className="truncate font-mono text-12 text-muted" title="Hash of its content">
        {after.version.content_hash}
      </p>
      {earlier?.data === after.data ? (
        <p className="text-muted">The fields are the same.</p>
      ) : (
        <Suspense>
          <JsonDiff label={`Fields of version ${index}`} before={earlier?.data ?? '{}'} after={after.data} />
        </Suspense>
      )}
      {before >= 0 && <ItemDifferences collection={collection} dataset={name} from={before} to={index} />}
    </section>
  )
}

export default VersionsTab
