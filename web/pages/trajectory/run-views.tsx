import { useQuery } from '@tanstack/react-query'
import { Suspense, useMemo } from 'react'
import { api } from '../../data/api.ts'
import type { Run, RunAddress, RunStep } from '../../data/run.ts'
import { useRunLog } from '../../data/run-log.ts'
import { lazyPart } from '../../data/server-away.ts'
import { initParamsQuery } from '../../data/step.ts'
import { JsonTree } from '../../parts/json-tree/json-tree.tsx'
import { Log } from '../../parts/log/log.tsx'
import { Media } from '../../parts/media/media.tsx'
import { filesNamedIn, shownAs } from '../../parts/media/media-kind.ts'
import { Problem } from '../../parts/problem.tsx'
import type { TimelineRow } from '../../parts/timeline/rows.ts'
import { Timeline } from '../../parts/timeline/timeline.tsx'
import { Empty } from '../../ui/empty.tsx'
import { Tabs } from '../../ui/tabs.tsx'
import type { ViewName } from './selection.ts'

const mostFiles = 200

/** The stored files of a run: what was sent with it and what its steps made. */
const RunFiles = ({ place, run }: { place: RunAddress; run: Run }) => {
  const { collection, task, id } = place
  const { data, error, refetch } = useQuery({
    queryKey: ['run-files', collection, task, id, run.completed_steps.length, run.status],
    queryFn: ({ signal }) =>
      api.listRunFiles({ params: { collection, task, trajectory_id: id }, query: { limit: mostFiles }, signal }),
  })
  if (error) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <p className="p-4 text-muted">Loading…</p>
  if (data.files.length === 0) {
    return <Empty title="No files">Neither was a file sent with this run, nor has a step stored one.</Empty>
  }
  return (
    <div className="grid min-h-0 flex-1 auto-rows-max grid-cols-1 content-start items-start gap-3 overflow-auto p-4 lg:grid-cols-2">
      {data.files.map((file) => (
        <Media
          key={file.path}
          file={{
            path: file.path,
            name: file.name,
            contentType: file.content_type,
            size: file.size,
            kind: shownAs(file.name, file.content_type),
          }}
        />
      ))}
      {data.next_cursor !== null && (
        <p className="text-muted">These are the first {mostFiles} files. The download of the run has all of them.</p>
      )}
    </div>
  )
}

const Graph = lazyPart(() => import('../../parts/graph/graph.tsx'))
const RunbookView = lazyPart(() => import('./runbook-views.tsx'))

interface RunViewsProps {
  run: Run
  place: RunAddress
  rows: readonly TimelineRow[]
  view: ViewName
  chosen: string | undefined
  /** The runbook step whose result and transcript are shown. */
  runbook: RunStep | undefined
  onView: (view: ViewName) => void
  onChoose: (id: string) => void
  onOpen: (id: string) => void
  scroller: { show?: (row: number) => void }
}

const runbookTabs = [
  { name: 'result', text: 'Result' },
  { name: 'transcript', text: 'Transcript' },
] satisfies { name: ViewName; text: string }[]

const tabs = [
  { name: 'timeline', text: 'Timeline' },
  { name: 'graph', text: 'Graph' },
  { name: 'log', text: 'Log' },
  { name: 'input', text: 'Input' },
  { name: 'files', text: 'Files' },
] satisfies { name: ViewName; text: string }[]

/** The ways to look at a run; what is chosen in one is chosen in all. */
export const RunViews = (props: RunViewsProps) => (
  <>
    <Tabs
      label="Views of the run"
      tabs={props.runbook ? [...runbookTabs, ...tabs] : tabs}
      current={props.view}
      onSelect={props.onView}
      className="shrink-0 border-line border-b px-4"
    />
    <div role="tabpanel" aria-label={props.view} className="flex min-h-0 flex-1 flex-col">
      <View {...props} />
    </div>
  </>
)

const View = ({ run, place, rows, view, chosen, runbook, onChoose, onOpen, scroller }: RunViewsProps) => {
  switch (view) {
    case 'result':
    case 'transcript':
      return (
        runbook && (
          <Suspense fallback={<p className="p-4 text-muted">Loading…</p>}>
            <RunbookView run={run} place={place} step={runbook} view={view} />
          </Suspense>
        )
      )
    case 'graph':
      return (
        <Suspense fallback={<p className="p-4 text-muted">Loading…</p>}>
          <Graph run={run} chosen={chosen} onChoose={onChoose} />
        </Suspense>
      )
    case 'log':
      return <RunLog run={run} place={place} chosen={chosen} onChoose={onChoose} />
    case 'input':
      return <RunInput place={place} />
    case 'files':
      return <RunFiles place={place} run={run} />
    default:
      return <Timeline run={run} rows={rows} chosen={chosen} onChoose={onChoose} onOpen={onOpen} scroller={scroller} />
  }
}

const RunLog = ({ run, place, chosen, onChoose }: Pick<RunViewsProps, 'run' | 'place' | 'chosen' | 'onChoose'>) => {
  const { data, error, refetch } = useRunLog(place, run)
  if (error && !data) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <p className="p-4 text-muted">Loading…</p>
  return (
    <Log
      events={data.events}
      step={chosen}
      onChoose={onChoose}
      note={data.next_cursor === null ? undefined : `the first ${data.events.length} lines`}
    />
  )
}

const RunInput = ({ place }: { place: RunAddress }) => {
  const { data, error, refetch } = useQuery(initParamsQuery(place))
  const files = useMemo(() => filesNamedIn(data, place.collection), [data, place.collection])
  if (error) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <p className="p-4 text-muted">Loading…</p>
  return (
    <div className="flex min-h-0 flex-1 flex-col gap-4 overflow-auto p-4">
      <JsonTree value={data} path="init_params" label="init_params" />
      {files.map((file) => (
        <Media key={file.path} file={file} />
      ))}
    </div>
  )
}
