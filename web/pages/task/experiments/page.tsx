import { api } from '../../../data/api.ts'
import { JobPage, jobsOfPage } from '../jobs/job-page.tsx'
import type { TaskPlaceProps } from '../use-task.ts'
import { candidateText, ExperimentView, experimentQueries } from './experiment-view.tsx'
import { TryDialog } from './try-dialog.tsx'

const load = async ({ collection, task }: TaskPlaceProps, page: { cursor?: string }, signal: AbortSignal) => {
  const query = { task, limit: jobsOfPage, ...page }
  const { experiments, next_cursor } = await api.listExperiments({ params: { collection }, query, signal })
  const jobs = experiments.map(({ experiment_id: id, state, estimate, ended, ...one }) => ({
    ...{ ...one, id, status: state, total: estimate.runs },
    ended: state === 'running' ? null : (ended ?? one.created),
  }))
  return { jobs, next_cursor }
}

/** What other versions of a task would have done with its recorded runs. */
const ExperimentsTab = (place: TaskPlaceProps) => (
  <JobPage
    place={place}
    noun="experiment"
    tab="experiments"
    units="runs"
    title="Experiments"
    queryKey={experimentQueries.all(place)}
    load={(page, signal) => load(place, page, signal)}
    empty={{
      command: `jetty backtest ${place.collection}/${place.task} --file new.json --runs last:20`,
      about: 'An experiment tries another version on recorded runs, and executes only what differs.',
    }}
    detail={(experiment) => candidateText(experiment)}
    view={(id, mayWrite) => <ExperimentView key={id} place={place} id={id} mayWrite={mayWrite} />}
    form={({ onClose, onStarted }) => <TryDialog place={place} onClose={onClose} onStarted={onStarted} />}
  />
)

export default ExperimentsTab
