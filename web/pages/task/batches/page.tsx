import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import type { Batch, BatchSummary } from '../../../../src/model/runs/batch.ts'
import type { CollectionRun } from '../../../../src/model/runs/collection-run.ts'
import { api, apiCall } from '../../../data/api.ts'
import { bulkActionText, runBulkAction } from '../../../data/bulk-action.ts'
import { paged } from '../../../data/paged.ts'
import { saveAnswer } from '../../../data/save-answer.ts'
import { ShareBar } from '../../../parts/chart/share-bar.tsx'
import { EconomyBox } from '../../../parts/economy-box.tsx'
import { aboutText, atStartText, EstimateLine, useEstimate } from '../../../parts/estimate.tsx'
import { FormDialog } from '../../../parts/form-dialog.tsx'
import { ListFrame } from '../../../parts/list-frame.tsx'
import { errorText, Problem } from '../../../parts/problem.tsx'
import { enteredVersion, VersionField } from '../../../parts/versions/version-field.tsx'
import { versionName } from '../../../parts/versions/version-meta.ts'
import { countText, usdText } from '../../../text/numbers.ts'
import { durationText } from '../../../text/times.ts'
import { Button } from '../../../ui/button.tsx'
import { TextField } from '../../../ui/field.tsx'
import { Menu } from '../../../ui/menu.tsx'
import { Status, StatusMark } from '../../../ui/status.tsx'
import { showToast } from '../../../ui/toast.tsx'
import { JobPage, jobsOfPage, whileOpen } from '../jobs/job-page.tsx'
import type { TaskPlaceProps } from '../use-task.ts'
import { RowSource, useRowChoice } from './row-source.tsx'

const batchQueries = {
  all: ({ collection, task }: TaskPlaceProps) => ['batches', collection, task],
  one: ({ collection, task }: TaskPlaceProps, id: string) => ['batches', collection, task, id],
}

/** Statuses in the order in which a bar shows them, with their colour. */
const parts = [
  ['completed', 'fill-ok'],
  ['failed', 'fill-bad'],
  ['running', 'fill-run'],
  ['cancelled', 'fill-idle'],
] as const

/** The parts of a bar that shows how far a batch is; what is left empty has not begun. */
const progressParts = ({ counts }: Pick<BatchSummary, 'counts'>) =>
  parts.map(([name, fill]) => ({ name, fill, count: counts[name] ?? 0 }))

const pageSize = 20

/** Number of a run's row, counted from 1 as people count; undefined where the run says nothing. */
const rowOf = ({ params }: CollectionRun): number | undefined => {
  const index = (params.batch as { index?: unknown } | undefined)?.index
  return typeof index === 'number' ? index + 1 : undefined
}

/** The rows whose runs failed, each with its error and its run. */
const FailedRows = ({ place, batch }: { place: TaskPlaceProps; batch: Batch }) => {
  const { collection, task } = place
  const list = useInfiniteQuery({
    queryKey: [...batchQueries.one(place, batch.batch_id), 'failed', batch.counts.failed],
    ...paged((page, signal) =>
      api.listCollectionRuns({
        params: { collection },
        query: { parent_id: batch.batch_id, status: ['failed'], limit: pageSize, ...page },
        signal,
      }),
    ),
  })
  const items = new Map(batch.errors.map(({ trajectory_id: id, item_id: item }) => [id, item]))
  const runs = list.data?.pages.flatMap((page) => page.runs) ?? []
  return (
    <section aria-label="Failed rows" className="flex flex-col items-start gap-1">
      <h3 className="font-medium text-12 text-muted">Failed rows</h3>
      <ListFrame list={list} count={runs.length} more="More">
        <ul className="w-full divide-y divide-line">
          {runs.map((run) => (
            <li key={run.trajectory_id} className="flex flex-wrap items-start gap-x-3 py-1">
              <StatusMark of="failed" className="mt-0.5" />
              <span className="w-16 shrink-0 text-muted tabular-nums">row {rowOf(run) ?? '?'}</span>
              {items.get(run.trajectory_id) && (
                <span className="max-w-40 shrink-0 truncate font-mono text-12">{items.get(run.trajectory_id)}</span>
              )}
              <span className="line-clamp-3 min-w-0 flex-1 break-words max-sm:order-last max-sm:basis-full">
                {run.error}
              </span>
              <Link
                to="/$collection/$task/$id"
                params={{ collection, task, id: run.trajectory_id }}
                className="ml-auto font-mono text-12 text-accent"
              >
                {run.trajectory_id}
              </Link>
            </li>
          ))}
        </ul>
      </ListFrame>
    </section>
  )
}

interface BatchViewProps {
  place: TaskPlaceProps
  id: string
  mayWrite: boolean
}

/** One batch: how far it is, what failed, its results. */
const BatchView = ({ place, id, mayWrite }: BatchViewProps) => {
  const { data, error, refetch } = useQuery({
    queryKey: batchQueries.one(place, id),
    queryFn: ({ signal }) => api.getBatch({ params: { collection: place.collection, batch_id: id }, signal }),
    refetchInterval: whileOpen,
  })
  if (error && !data) return <Problem error={error} onRetry={() => void refetch()} />
  return data ? <BatchFacts place={place} batch={data} mayWrite={mayWrite} /> : null
}

const said = ({ counts, total }: Batch): string =>
  progressParts({ counts })
    .filter(({ count }) => count > 0)
    .map(({ name, count }) => `${countText(count)} ${name}`)
    .concat(`${countText(total)} rows`)
    .join(', ')

const BatchFacts = ({ place, batch, mayWrite }: { place: TaskPlaceProps; batch: Batch; mayWrite: boolean }) => {
  const { counts, total, name, batch_id: id, status, ended } = batch
  const facts = [
    batch.version && versionName(batch.version),
    batch.dataset && `${batch.dataset.name} version ${batch.dataset.version}`,
    `${countText(total)} rows`,
    `${countText(counts.completed)} completed`,
    counts.failed > 0 && `${countText(counts.failed)} failed`,
    counts.running > 0 && `${countText(counts.running)} running`,
    counts.cancelled > 0 && `${countText(counts.cancelled)} cancelled`,
    ended !== null && durationText(batch.duration_seconds),
    batch.cost_usd !== null && usdText(batch.cost_usd),
    atStartText(batch.estimate_usd),
    batch.max_concurrency !== null && `${batch.max_concurrency} at a time`,
    `by ${batch.author}`,
  ]
  return (
    <section aria-label={`Batch ${name ?? id}`} className="flex flex-col gap-3 rounded-l border border-line p-4">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
        <h2 className="min-w-0 truncate font-semibold text-15">{name ?? id}</h2>
        <Status of={status} />
        <span className="mr-auto" />
        <BatchActions place={place} batch={batch} mayWrite={mayWrite} />
      </div>
      <ShareBar label={said(batch)} total={total} parts={progressParts(batch)} />
      <p className="text-12 text-muted">
        {facts.filter(Boolean).join(' · ')} ·{' '}
        <Link
          to="/$collection/-/runs"
          params={{ collection: place.collection }}
          search={{ parent_id: id }}
          className="text-accent underline"
        >
          All runs
        </Link>
      </p>
      {batch.error && <p className="break-words text-bad">{batch.error}</p>}
      {counts.failed > 0 && <FailedRows place={place} batch={batch} />}
    </section>
  )
}

const formats = [
  ['csv', 'As CSV'],
  ['jsonl', 'As JSON lines'],
  ['parquet', 'As parquet'],
] as const

const BatchActions = ({ place, batch, mayWrite }: { place: TaskPlaceProps; batch: Batch; mayWrite: boolean }) => {
  const queries = useQueryClient()
  const { batch_id, ended, counts } = batch
  const params = { collection: place.collection, batch_id }
  const failed = (error: unknown) => showToast({ text: errorText(error), isBad: true })
  const cancel = useMutation({
    mutationFn: () => api.cancelBatch({ params }),
    onSuccess: (after) => queries.setQueryData(batchQueries.one(place, batch_id), after),
    onError: failed,
  })
  const again = useMutation({
    mutationFn: () =>
      runBulkAction(
        place.collection,
        { filter: { parent_id: batch_id, status: ['failed'] } },
        { action: 'rerun', rerun: { version: 'current' } },
        () => {},
      ),
    onSuccess: (action) => showToast({ text: bulkActionText(action), isBad: action.failed > 0 }),
    onError: failed,
  })
  const download = (format: string) =>
    apiCall('getBatchResults', { params, query: { format }, asResponse: true })
      .then((answer) => saveAnswer(answer as Response, `${batch.name ?? batch_id}.${format}`))
      .catch(failed)
  return (
    <>
      {ended === null && mayWrite && (
        <Button icon="stop" disabled={cancel.isPending} onClick={() => cancel.mutate()}>
          Cancel
        </Button>
      )}
      {counts.failed > 0 && mayWrite && (
        <Button
          icon="again"
          title="Runs the failed rows again, with the current version of the task"
          disabled={again.isPending}
          onClick={() => again.mutate()}
        >
          Run {counts.failed === 1 ? '1 failed row' : `${countText(counts.failed)} failed rows`} again
        </Button>
      )}
      <Menu
        label="Download results"
        button="Download"
        side="left"
        className="inline-flex h-7 items-center rounded-m border border-line bg-raised px-2.5 font-medium hover:bg-sunk"
        items={formats.map(([format, text]) => ({ text, icon: 'download', onSelect: () => void download(format) }))}
      />
    </>
  )
}

interface NewBatchProps {
  place: TaskPlaceProps
  onClose: () => void
  onStarted: (id: string) => void
}

/** Starts a batch: from a file, which the server reads, or from rows that are typed or pasted. */
const NewBatch = ({ place, onClose, onStarted }: NewBatchProps) => {
  const { collection, task } = place
  const [name, setName] = useState('')
  const [atOnce, setAtOnce] = useState('20')
  const [version, setVersion] = useState('')
  const [isPatient, setIsPatient] = useState(false)
  const choice = useRowChoice()
  const isNumber = /^[1-9]\d{0,4}$/.test(atOnce) && Number(atOnce) <= 10_000
  const estimate = useEstimate(
    place,
    choice.count > 0 && isNumber ? { count: choice.count, max_concurrency: Number(atOnce) } : undefined,
  )
  const start = async () => {
    const source = await choice.source(collection)
    return api.runBatch({
      params: place,
      query: { preflight: 'refuse' },
      body: {
        ...source,
        max_concurrency: Number(atOnce),
        ...enteredVersion(version),
        ...(name.trim() === '' ? {} : { name: name.trim() }),
        ...(isPatient && { economy: 'batch' as const }),
      },
    })
  }
  return (
    <FormDialog
      title={`New batch of ${task}`}
      width="wide"
      action={`Start${choice.count > 0 ? aboutText(estimate) : ''}`}
      busy="Starting …"
      icon="play"
      isReady={isNumber && choice.isReady}
      extra={choice.count > 0 && <EstimateLine of={estimate} />}
      work={start}
      next={({ batch_id: id }) => onStarted(id)}
      onClose={onClose}
    >
      <TextField label="Name" value={name} placeholder="optional" onChange={(event) => setName(event.target.value)} />
      <RowSource choice={choice} />
      <VersionField place={place} value={version} onChange={setVersion} />
      <TextField
        label="Runs at a time"
        inputMode="numeric"
        value={atOnce}
        onChange={(event) => setAtOnce(event.target.value)}
        error={isNumber ? undefined : 'Write a number from 1 to 10,000'}
      />
      <EconomyBox isPatient={isPatient} onChange={setIsPatient} />
    </FormDialog>
  )
}

const load = async ({ collection, task }: TaskPlaceProps, page: { cursor?: string }, signal: AbortSignal) => {
  const query = { task, limit: jobsOfPage, ...page }
  const { batches, next_cursor } = await api.listBatches({ params: { collection }, query, signal })
  return { jobs: batches.map((batch) => ({ ...batch, id: batch.batch_id })), next_cursor }
}

/** Runs of a task for each of many rows. */
const BatchesTab = (place: TaskPlaceProps) => (
  <JobPage
    place={place}
    noun="batch"
    tab="batches"
    title="Batches"
    queryKey={batchQueries.all(place)}
    load={(page, signal) => load(place, page, signal)}
    empty={{
      command: `jetty batch run ${place.collection}/${place.task} rows.csv`,
      about: 'A batch runs this task once for each row of a table, and keeps the results together.',
    }}
    detail={(batch) => (
      <span className="block w-24">
        <ShareBar label={`${batch.name ?? batch.id}: progress`} total={batch.total} parts={progressParts(batch)} />
      </span>
    )}
    view={(id, mayWrite) => <BatchView key={id} place={place} id={id} mayWrite={mayWrite} />}
    form={({ onClose, onStarted }) => <NewBatch place={place} onClose={onClose} onStarted={onStarted} />}
  />
)

export default BatchesTab
