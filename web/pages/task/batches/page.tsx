import { api } from '../../../data/api.ts'
import { ShareBar } from '../../../parts/chart/share-bar.tsx'
import { JobPage, jobsOfPage } from '../jobs/job-page.tsx'
import type { TaskPlaceProps } from '../place.ts'
import { batchQueries, progressParts } from './batch-queries.ts'
import { BatchView } from './batch-view.tsx'
import { NewBatch } from './new-batch.tsx'

const load = async ({ collection, task }: TaskPlaceProps, cursor: string, signal: AbortSignal) => {
  const query = { task, limit: jobsOfPage, ...(cursor === '' ? {} : { cursor }) }
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
    load={(cursor, signal) => load(place, cursor, signal)}
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
