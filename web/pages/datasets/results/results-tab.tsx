import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { api } from '../../../data/api.ts'
import { keys } from '../../../data/keys.ts'
import { paged } from '../../../data/paged.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { aboutText, useEstimate } from '../../../parts/estimate.tsx'
import { ListFrame } from '../../../parts/list-frame.tsx'
import { plainText } from '../../../parts/log/plain-text.ts'
import { PageLink, runHref } from '../../../parts/page-link.tsx'
import { errorText, Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { CopyLine } from '../../../ui/copy.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { SelectField } from '../../../ui/field.tsx'
import { StatusMark } from '../../../ui/status.tsx'
import { showToast } from '../../../ui/toast.tsx'
import type { DatasetProps } from '../dataset-tabs.ts'

/** States of the result of an item, the order in which they are shown, and the mark of each. */
const resultStates = [
  { name: 'fresh', text: 'with a result', mark: 'completed' },
  { name: 'item_changed', text: 'item changed since', mark: 'waiting' },
  { name: 'task_changed', text: 'task changed since', mark: 'waiting' },
  { name: 'running', text: 'running', mark: 'running' },
  { name: 'failed', text: 'failed', mark: 'failed' },
  { name: 'missing', text: 'never run', mark: 'skipped' },
] as const

type StateName = (typeof resultStates)[number]['name']

/** Items for which the task is to be run again. */
export const staleCount = (counts: Partial<Record<StateName, number>>): number =>
  (['item_changed', 'task_changed', 'failed', 'missing'] as const).reduce((sum, name) => sum + (counts[name] ?? 0), 0)

interface ResultListProps {
  collection: string
  task: string
  items: Awaited<ReturnType<typeof api.listDatasetResults>>['items']
}

/** Each item with the state of its result, and the run that it is from. */
const ResultList = ({ collection, task, items }: ResultListProps) => (
  <ul aria-label="Results" className="divide-y divide-line border-line border-y empty:hidden">
    {items.map(({ id, state, run }) => {
      const shown = resultStates.find(({ name }) => name === state)
      return (
        <li key={id} className="flex flex-wrap items-center gap-x-3 gap-y-1 px-2 py-1.5">
          <span className="min-w-32 flex-1 truncate font-mono text-12 sm:max-w-80" title={id}>
            {id}
          </span>
          <span className="flex w-44 shrink-0 items-center gap-1.5">
            <StatusMark of={shown?.mark ?? 'skipped'} />
            {shown?.text ?? state}
          </span>
          <span className="min-w-0 flex-1 truncate text-12 text-bad empty:max-sm:hidden max-sm:order-last max-sm:basis-full">
            {run?.error && plainText(run.error)}
          </span>
          {run && (
            <PageLink
              href={runHref({ collection, task, trajectory_id: run.trajectory_id })}
              className="font-mono text-12 text-accent sm:w-18"
            >
              {run.trajectory_id}
            </PageLink>
          )}
          <span className="text-12 text-muted empty:max-sm:hidden sm:w-20">
            {run && `dataset v${run.dataset_version}`}
          </span>
        </li>
      )
    })}
  </ul>
)

const pageSize = 100

/** Which items have a result of a task, and which results a change has made stale. */
const ResultsTab = ({ collection, dataset: { name } }: DatasetProps) => {
  const navigate = useNavigate()
  const { task, state = '' } = useSearch({ strict: false }) as { task?: string; state?: string }
  const tasks = useQuery({
    queryKey: [...keys.tasks(collection), 'summary'],
    queryFn: ({ signal }) => api.listTasks({ params: { collection }, query: { view: 'summary', limit: 500 }, signal }),
  })
  const change = (next: { task?: string | undefined; state?: string | undefined }) =>
    void navigate({ to: '.', search: ((was: object) => ({ ...was, ...next })) as never, replace: true })
  const names = tasks.data?.map((one) => one.name) ?? []
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex shrink-0 flex-wrap items-center gap-2 border-line border-b px-4 py-2">
        <SelectField
          label="Task"
          hidesLabel
          value={task ?? ''}
          options={[['', 'Choose a task'], ...names.map((one) => [one, one] as const)]}
          onChange={(event) => change({ task: event.target.value || undefined, state: undefined })}
        />
        {task !== undefined && (
          <SelectField
            label="State"
            hidesLabel
            value={state}
            options={[
              ['', 'All states'],
              ['stale', 'stale'],
              ...resultStates.map(({ name: one, text }) => [one, text] as const),
            ]}
            onChange={(event) => change({ state: event.target.value || undefined })}
          />
        )}
      </div>
      {tasks.error && <Problem error={tasks.error} />}
      {task === undefined ? (
        <Empty title="Results of which task?">
          A run over an item writes down which content it had. So the server knows which results still hold after a
          change of an item or of the task.
        </Empty>
      ) : (
        <Results key={`${task} ${state}`} collection={collection} dataset={name} task={task} state={state} />
      )}
    </div>
  )
}

interface ResultsProps {
  collection: string
  dataset: string
  task: string
  state: string
}

const Results = ({ collection, dataset, task, state }: ResultsProps) => {
  const list = useInfiniteQuery({
    queryKey: [...keys.dataset(collection, dataset), 'results', task, state],
    ...paged((page, signal) =>
      api.listDatasetResults({
        params: { collection, dataset },
        query: { task, limit: pageSize, ...(state === '' ? {} : { state: state as 'stale' }), ...page },
        signal,
      }),
    ),
  })
  const counts = list.data?.pages[0]?.counts ?? {}
  const items = list.data?.pages.flatMap((page) => page.items) ?? []
  return (
    <div className="flex min-h-0 flex-1 flex-col gap-3 overflow-auto p-4">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        {resultStates.map(({ name, text }) =>
          counts[name] === undefined ? null : (
            <span key={name}>
              <span className="font-medium">{counts[name].toLocaleString('en')}</span>{' '}
              <span className="text-muted">{text}</span>
            </span>
          ),
        )}
        <span className="flex-1" />
        <RunChanged collection={collection} dataset={dataset} task={task} count={staleCount(counts)} />
      </div>
      <ListFrame
        list={list}
        count={items.length}
        more="More items"
        empty={<p className="text-muted">No item is in this state.</p>}
      >
        <ResultList collection={collection} task={task} items={items} />
      </ListFrame>
      <CopyLine text={`jetty batch run ${collection}/${task} dataset:${dataset} --changed-only`} />
    </div>
  )
}

interface RunChangedProps {
  collection: string
  dataset: string
  task: string
  count: number
}

/** Runs the task over the items without a result for their content, and takes the other results over. */
const RunChanged = ({ collection, dataset, task, count }: RunChangedProps) => {
  const navigate = useNavigate()
  const queries = useQueryClient()
  const mayWrite = useMayWrite()
  const estimate = useEstimate({ collection, task }, count > 0 ? { count } : undefined)
  const start = useMutation({
    mutationFn: () => api.runBatch({ params: { collection, task }, body: { dataset, changed_only: true } }),
    onSuccess: async ({ batch_id: batch }) => {
      await queries.invalidateQueries({ queryKey: keys.dataset(collection, dataset) })
      void navigate({ to: '/$collection/$task', params: { collection, task }, search: { tab: 'batches', batch } })
    },
    onError: (error) => showToast({ text: errorText(error), isBad: true }),
  })
  return (
    <Button disabled={!mayWrite || count === 0 || start.isPending} onClick={() => start.mutate()}>
      {count === 0 ? 'Nothing to run' : `Run ${count.toLocaleString('en')} without a result${aboutText(estimate)}`}
    </Button>
  )
}

export default ResultsTab
