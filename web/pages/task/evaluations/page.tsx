import { useState } from 'react'
import { api } from '../../../data/api.ts'
import { EconomyBox } from '../../../parts/economy-box.tsx'
import { aboutText, EstimateLine, useEstimate } from '../../../parts/estimate.tsx'
import { FormDialog } from '../../../parts/form-dialog.tsx'
import { enteredVersion, VersionField } from '../../../parts/versions/version-field.tsx'
import { SelectField, TextField } from '../../../ui/field.tsx'
import { RowSource, useRowChoice } from '../batches/row-source.tsx'
import { type Job, JobPage, jobsOfPage } from '../jobs/job-page.tsx'
import type { TaskPlaceProps } from '../use-task.ts'
import { EvaluationView, evaluationQueries } from './evaluation-view.tsx'
import {
  areComplete,
  emptyJudge,
  type JudgeEntry,
  JudgeList,
  judgeOf,
  keepJudges,
  lastJudges,
  thresholdsOf,
} from './judges.tsx'

interface NewEvaluationProps {
  place: TaskPlaceProps
  /** Completed evaluations to compare with. */
  earlier: readonly Job[]
  onClose: () => void
  onStarted: (id: string) => void
}

/** Starts an evaluation: rows, judges, and what it is compared with. */
const NewEvaluation = ({ place, earlier, onClose, onStarted }: NewEvaluationProps) => {
  const [name, setName] = useState('')
  const [baseline, setBaseline] = useState('')
  const [outputPath, setOutputPath] = useState('')
  const [judges, setJudges] = useState<readonly JudgeEntry[]>(() => lastJudges(place) ?? [emptyJudge('right')])
  const [wasSent, setSent] = useState(false)
  const [version, setVersion] = useState('')
  const [isPatient, setIsPatient] = useState(false)
  const choice = useRowChoice()
  const isJudged = areComplete(judges)
  const isEstimated = choice.count > 0 && isJudged
  const wanted = isEstimated ? { count: choice.count, judges: judges.map(judgeOf) } : undefined
  const estimate = useEstimate(place, wanted)
  const start = async () => {
    keepJudges(place, judges)
    const source = await choice.source(place.collection)
    return api.startEvaluation({
      params: place,
      query: { preflight: 'refuse' },
      body: {
        ...source,
        ...enteredVersion(version),
        judges: judges.map(judgeOf),
        thresholds: thresholdsOf(judges),
        ...(name.trim() === '' ? {} : { name: name.trim() }),
        ...(baseline === '' ? {} : { baseline }),
        ...(outputPath.trim() === '' ? {} : { output_path: outputPath.trim() }),
        ...(isPatient && { economy: 'batch' as const }),
      },
    })
  }
  const submit = () => {
    setSent(true)
    return isJudged ? start() : undefined
  }
  return (
    <FormDialog
      title={`New evaluation of ${place.task}`}
      width="wide"
      action={`Start${isEstimated ? aboutText(estimate) : ''}`}
      busy="Starting …"
      icon="play"
      isReady={choice.isReady}
      extra={isEstimated && <EstimateLine of={estimate} />}
      work={submit}
      next={({ evaluation_id: id }) => onStarted(id)}
      onClose={onClose}
    >
      <TextField label="Name" value={name} placeholder="optional" onChange={(event) => setName(event.target.value)} />
      <RowSource choice={choice} />
      <VersionField place={place} value={version} onChange={setVersion} />
      <JudgeList judges={judges} onChange={setJudges} showsErrors={wasSent} least={1} hasThreshold />
      <TextField
        label="What is judged"
        isCode
        value={outputPath}
        placeholder="the outputs of the last step"
        hint="A path, such as answer.outputs.text"
        onChange={(event) => setOutputPath(event.target.value)}
      />
      <SelectField
        label="Compared with"
        value={baseline}
        onChange={(event) => setBaseline(event.target.value)}
        options={[
          ['', 'nothing'],
          ['latest', 'the newest completed evaluation'],
          ...earlier.map((one) => [one.id, one.name ?? one.id] as const),
        ]}
      />
      <EconomyBox isPatient={isPatient} onChange={setIsPatient} />
    </FormDialog>
  )
}

const load = async ({ collection, task }: TaskPlaceProps, page: { cursor?: string }, signal: AbortSignal) => {
  const query = { task, limit: jobsOfPage, ...page }
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
    load={(page, signal) => load(place, page, signal)}
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
