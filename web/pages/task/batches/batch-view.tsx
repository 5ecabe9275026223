import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { Batch } from '../../../../src/model/runs/batch.ts'
import { api, apiCall } from '../../../data/api.ts'
import { bulkActionText, runBulkAction } from '../../../data/bulk-action.ts'
import { saveAnswer } from '../../../data/save-answer.ts'
import { ShareBar } from '../../../parts/chart/share-bar.tsx'
import { errorText, Problem } from '../../../parts/problem.tsx'
import { usdText } from '../../../text/cost.ts'
import { countText } from '../../../text/count.ts'
import { durationText } from '../../../text/duration.ts'
import { Button } from '../../../ui/button.tsx'
import { Menu } from '../../../ui/menu.tsx'
import { Status } from '../../../ui/status.tsx'
import { showToast } from '../../../ui/toast.tsx'
import { whileOpen } from '../jobs/job.ts'
import type { TaskPlaceProps } from '../place.ts'
import { batchQueries, progressParts } from './batch-queries.ts'
import { FailedRows } from './failed-rows.tsx'

interface BatchViewProps {
  place: TaskPlaceProps
  id: string
  mayWrite: boolean
}

/** One batch: how far it is, what failed, its results. */
export const BatchView = ({ place, id, mayWrite }: BatchViewProps) => {
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
    batch.dataset && `${batch.dataset.name} version ${batch.dataset.version}`,
    `${countText(total)} rows`,
    `${countText(counts.completed)} completed`,
    counts.failed > 0 && `${countText(counts.failed)} failed`,
    counts.running > 0 && `${countText(counts.running)} running`,
    counts.cancelled > 0 && `${countText(counts.cancelled)} cancelled`,
    ended !== null && durationText(batch.duration_seconds),
    batch.cost_usd !== null && usdText(batch.cost_usd),
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
