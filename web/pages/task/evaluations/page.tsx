import { api } from '../../../data/api.ts'
import { JobPage, jobsOfPage } from '../jobs/job-page.tsx'
import type { TaskPlaceProps } from '../place.ts'
import { evaluationQueries } from './evaluation-queries.ts'
import { EvaluationView } from './evaluation-view.tsx'
import { NewEvaluation } from './new-evaluation.tsx'

const load = async ({ collection, task }: TaskPlaceProps, cursor: string, signal: AbortSignal) => {
  const query = { task, limit: jobsOfPage, ...(cursor === '' ? {} : { cursor }) }
  const { evaluations, next_cursor } = await api.listEvaluations({ params: { collection }, query, signal })
  return { jobs: evaluations.map((one) => ({ ...one, id: one.evaluation_id })), next_cursor }
}

/** How good the outputs of a task are, as judges find. */
const EvaluationsTab = (place: TaskPlaceProps) => (
  <JobPage
    place={place}
    noun="evaluation"
    tab="evaluations"
    title="Evaluations"
    queryKey={evaluationQueries.all(place)}
    load={(cursor, signal) => load(place, cursor, signal)}
    empty={{
      command: `jetty eval ${place.collection}/${place.task} rows.jsonl --judges judges.json`,
      about: 'An evaluation runs this task once for each row of a table, and lets judges score every output.',
    }}
    detail={({ judges }) => judges.join(', ')}
    view={(id, mayWrite) => <EvaluationView key={id} place={place} id={id} mayWrite={mayWrite} />}
    form={({ jobs, onClose, onStarted }) => (
      <NewEvaluation
        place={place}
        earlier={jobs.filter(({ status }) => status === 'completed')}
        onClose={onClose}
        onStarted={onStarted}
      />
    )}
  />
)

export default EvaluationsTab
