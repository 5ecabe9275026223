import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { Suspense } from 'react'
import { memberText } from '../../../../src/lib/json/json-text.ts'
import { prettyJson } from '../../../../src/lib/json/pretty-json.ts'
import { api, apiCall } from '../../../data/api.ts'
import { useTitle } from '../../../data/browser.ts'
import { useNow } from '../../../data/clock.ts'
import { keys } from '../../../data/keys.ts'
import { lazyPart } from '../../../data/server-away.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { errorText, Problem } from '../../../parts/problem.tsx'
import { VersionTags } from '../../../parts/versions/tags.tsx'
import { VersionList } from '../../../parts/versions/version-list.tsx'
import { versionMeta } from '../../../parts/versions/version-meta.ts'
import { Button } from '../../../ui/button.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { showToast } from '../../../ui/toast.tsx'
import { readVersion, type TaskPlaceProps } from '../use-task.ts'

const members = [
  ['name', 'the name'],
  ['description', 'the description'],
  ['version', 'the version text'],
  ['is_private', 'who may read it'],
  ['has_file_uploads', 'whether it takes files'],
  ['croissant_metadata', 'the metadata'],
] as const

/** What of a task beside its workflow differs between two versions, in words; from nothing, nothing differs. */
export const changedMembers = (before: string, after: string): string[] =>
  before === '{}'
    ? []
    : members.filter(([name]) => memberText(before, name) !== memberText(after, name)).map(([, words]) => words)

/** Members of a version that a change can set again. Its name stays: others may know the task by the one it has now. */
const restored = ['workflow', 'description', 'version', 'has_file_uploads', 'is_private', 'croissant_metadata']

/** Saves the content of an old version as the newest one. */
const restoreVersion = async ({ collection, task }: TaskPlaceProps, data: string, index: number): Promise<void> => {
  const members = restored.flatMap((name) => {
    const text = memberText(data, name)
    return text === undefined ? [] : [`${JSON.stringify(name)}:${text}`]
  })
  const note = `"note":${JSON.stringify(`Restored version ${index}`)}`
  await apiCall('updateTask', { params: { collection, task }, bodyText: `{${[...members, note].join(',')}}` })
}

const JsonDiff = lazyPart(() => import('../../../parts/diff/json-diff.tsx'))

/** The text that a JSON text stands for; undefined for null. */
const parsedText = (json: string | undefined): string | undefined =>
  (json === undefined ? undefined : (JSON.parse(json) as string | null)) ?? undefined

const pageSize = 50

/** What a task has been: who changed what and why. */
const VersionsTab = ({ collection, task }: TaskPlaceProps) => {
  useTitle('Versions', task, collection)
  const navigate = useNavigate()
  const asked = useSearch({ strict: false }).version
  const list = useInfiniteQuery({
    queryKey: [...keys.task(collection, task), 'versions'],
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) =>
      api.listTaskVersions({ params: { collection, task }, query: { skip: pageParam, limit: pageSize }, signal }),
    getNextPageParam: (last, pages) =>
      pages.length * pageSize < last.total_versions ? pages.length * pageSize : undefined,
  })
  if (list.error) return <Problem error={list.error} onRetry={() => void list.refetch()} />
  const versions = list.data?.pages.flatMap((page) => page.versions) ?? []
  const newest = versions[0]?.index
  if (!list.data) return <main className="flex-1" />
  if (newest === undefined) return <Empty title="This task has no versions" />
  const chosen = asked === undefined ? newest : Math.min(Number(asked), newest)
  return (
    <main className="flex min-h-0 flex-1 max-md:flex-col">
      <h1 className="sr-only">Versions of {task}</h1>
      <VersionList
        versions={versions}
        chosen={chosen}
        onChoose={(version) =>
          void navigate({
            to: '/$collection/$task',
            params: { collection, task },
            search: { tab: 'versions', version },
            replace: true,
          })
        }
        onMore={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
      />
      <VersionView key={chosen} place={{ collection, task }} index={chosen} isNewest={chosen === newest} />
    </main>
  )
}

interface VersionViewProps {
  place: TaskPlaceProps
  index: number
  isNewest: boolean
}

/** A version beside the one before it. */
const VersionView = ({ place, index, isNewest }: VersionViewProps) => {
  const queries = useQueryClient()
  const mayWrite = useMayWrite()
  const now = useNow()
  const key = [...keys.task(place.collection, place.task), 'version', index]
  const read = useQuery({
    queryKey: key,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }) => ({
      after: await readVersion(place, index, signal),
      before: index === 0 ? undefined : await readVersion(place, index - 1, signal),
    }),
  })
  const restore = useMutation({
    mutationFn: (data: string) => restoreVersion(place, data, index),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: keys.task(place.collection, place.task) })
      showToast({ text: `Version ${index} is the newest one again` })
    },
    onError: (error) => showToast({ text: errorText(error), isBad: true }),
  })
  if (read.error) return <Problem error={read.error} onRetry={() => void read.refetch()} />
  if (!read.data) return <div className="flex-1" />
  const { before, after } = read.data
  const others = changedMembers(before?.data ?? '{}', after.data)
  return (
    <section aria-label={`Version ${index}`} className="flex min-h-0 min-w-0 flex-1 flex-col gap-3 overflow-auto p-4">
      <div className="flex flex-wrap items-center gap-2">
        <h2 className="mr-auto font-semibold text-15">
          {before ? `What version ${index} changed` : 'The first version'}
          <span className="ml-2 font-normal text-13 text-muted">{versionMeta(after.version, now)}</span>
        </h2>
        <Button disabled={!mayWrite || isNewest || restore.isPending} onClick={() => restore.mutate(after.data)}>
          Restore
        </Button>
      </div>
      <VersionTags
        place={place}
        index={index}
        tags={after.version.tags}
        saved={parsedText(memberText(after.data, 'version'))}
        mayWrite={mayWrite}
      />
      {after.version.note && <p className="break-words">{after.version.note}</p>}
      {others.length > 0 && <p className="text-muted">Also changed: {others.join(', ')}</p>}
      {!before ? (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls by keyboard
        <pre tabIndex={0} className="overflow-x-auto rounded-m border border-line bg-sunk p-3 font-mono text-12">
          {prettyJson(after.workflowText)}
        </pre>
      ) : before.workflowText === after.workflowText ? (
        <p className="text-muted">The workflow is that of the version before.</p>
      ) : (
        <Suspense>
          <JsonDiff
            label={`Workflow of version ${index}`}
            before={prettyJson(before.workflowText)}
            after={prettyJson(after.workflowText)}
          />
        </Suspense>
      )}
    </section>
  )
}

export default VersionsTab
