import { useState } from 'react'
import { api } from '../../../data/api.ts'
import { aboutText, EstimateLine, useEstimate } from '../../../parts/estimate.tsx'
import { FormDialog } from '../../../parts/form-dialog.tsx'
import { enteredVersion, VersionField } from '../../../parts/versions/version-field.tsx'
import { Button, IconButton } from '../../../ui/button.tsx'
import { SelectField, TextArea, TextField } from '../../../ui/field.tsx'
import { EconomyBox, RowSource, useRowChoice } from '../batches/row-source.tsx'
import { type Job, JobPage, jobsOfPage } from '../jobs/job-page.tsx'
import type { TaskPlaceProps } from '../use-task.ts'
import { EvaluationView, evaluationQueries } from './evaluation-view.tsx'

/** What is entered about a judge. */
interface JudgeEntry {
  name: string
  instruction: string
  model: string
  kind: 'binary' | 'scale' | 'categories'
  min: string
  max: string
  /** Categories, one per line; `+` before one means that it passes. */
  categories: string
  /** Lowest mean that passes; empty: none. */
  lowest: string
}

export const emptyJudge = (name: string): JudgeEntry => ({
  ...{ name, instruction: '', model: '', kind: 'binary' },
  ...{ min: '1', max: '10', categories: '', lowest: '' },
})

/** A judge as the API takes it. */
interface SentJudge {
  name: string
  instruction: string
  model: string
  binary?: true
  scale?: { min: number; max: number }
  categories?: string[]
  pass?: string[]
}

const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')

/** The judge that an entry describes. */
export const judgeOf = ({ name, instruction, model, kind, min, max, categories }: JudgeEntry): SentJudge => {
  const common = { name: name.trim(), instruction: instruction.trim(), model: model.trim() }
  if (kind === 'binary') return { ...common, binary: true }
  if (kind === 'scale') return { ...common, scale: { min: Number(min), max: Number(max) } }
  const lines = linesOf(categories)
  const bare = (line: string) => line.replace(/^\+\s*/, '')
  const pass = lines.filter((line) => line.startsWith('+')).map(bare)
  return { ...common, categories: lines.map(bare), ...(pass.length > 0 ? { pass } : {}) }
}

const isNumber = (text: string): boolean => text.trim() !== '' && Number.isFinite(Number(text))

/** What is missing in an entry, by the name of its field; the server checks the rest. */
export const judgeErrors = (entry: JudgeEntry): Partial<Record<keyof JudgeEntry, string>> => ({
  ...(/^[a-z0-9]+(?:[-_][a-z0-9]+)*$/.test(entry.name.trim())
    ? {}
    : { name: 'Small letters, digits and single hyphens, such as tone-of-voice' }),
  ...(entry.instruction.trim() === '' ? { instruction: 'Say what it judges by' } : {}),
  ...(entry.model.trim() === '' ? { model: 'Name the model that judges' } : {}),
  ...(entry.kind === 'scale' && !(isNumber(entry.min) && isNumber(entry.max) && Number(entry.min) < Number(entry.max))
    ? { max: 'Two numbers, the lowest first' }
    : {}),
  ...(entry.kind === 'categories' && linesOf(entry.categories).length < 2
    ? { categories: 'At least two, one per line' }
    : {}),
  ...(entry.lowest.trim() !== '' && !isNumber(entry.lowest) ? { lowest: 'A number, or nothing' } : {}),
})

/** The thresholds that entries ask for, by judge. */
export const thresholdsOf = (entries: readonly JudgeEntry[]): Record<string, { min_mean: number }> =>
  Object.fromEntries(
    entries
      .filter(({ lowest }) => isNumber(lowest))
      .map(({ name, lowest }) => [name.trim(), { min_mean: Number(lowest) }]),
  )

interface JudgeFieldsProps {
  entry: JudgeEntry
  errors: ReturnType<typeof judgeErrors>
  onChange: (entry: JudgeEntry) => void
  onRemove: (() => void) | undefined
}

/** A judge: what it judges by, and how it answers. */
const JudgeFields = ({ entry, errors, onChange, onRemove }: JudgeFieldsProps) => {
  const set =
    (name: keyof JudgeEntry) =>
    ({ target }: { target: { value: string } }) =>
      onChange({ ...entry, [name]: target.value })
  return (
    <fieldset className="flex flex-col gap-3 rounded-m border border-line p-3">
      <legend className="px-1 font-medium text-12 text-muted">Judge {entry.name}</legend>
      <div className="flex gap-3">
        <TextField
          label="Name"
          boxClass="flex-1"
          isCode
          value={entry.name}
          onChange={set('name')}
          error={errors.name}
        />
        <TextField
          label="Model"
          boxClass="flex-1"
          isCode
          placeholder="gpt-5.5"
          value={entry.model}
          onChange={set('model')}
          error={errors.model}
        />
        {onRemove && <IconButton icon="cross" label={`Remove judge ${entry.name}`} onClick={onRemove} />}
      </div>
      <TextArea
        label="Judges by"
        placeholder="Would a newcomer understand it?"
        value={entry.instruction}
        onChange={set('instruction')}
        error={errors.instruction}
      />
      <SelectField
        label="Answers with"
        value={entry.kind}
        onChange={set('kind')}
        options={[
          ['binary', 'yes or no'],
          ['scale', 'a score'],
          ['categories', 'a category'],
        ]}
      />
      {entry.kind === 'scale' && (
        <div className="flex gap-3">
          <TextField label="Lowest score" boxClass="flex-1" value={entry.min} onChange={set('min')} />
          <TextField
            label="Highest score"
            boxClass="flex-1"
            value={entry.max}
            onChange={set('max')}
            error={errors.max}
          />
        </div>
      )}
      {entry.kind === 'categories' && (
        <TextArea
          label="Categories"
          placeholder={'+ solved\npartly\nevaded'}
          hint="One per line; + before those that are good"
          value={entry.categories}
          onChange={set('categories')}
          error={errors.categories}
        />
      )}
      <TextField
        label="Lowest mean that passes"
        placeholder="none"
        hint={entry.kind === 'scale' ? undefined : 'A share, such as 0.9'}
        value={entry.lowest}
        onChange={set('lowest')}
        error={errors.lowest}
      />
    </fieldset>
  )
}

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
  const [judges, setJudges] = useState<readonly JudgeEntry[]>([emptyJudge('right')])
  const [wasSent, setSent] = useState(false)
  const [version, setVersion] = useState('')
  const [isPatient, setIsPatient] = useState(false)
  const choice = useRowChoice()
  const isJudged = judges.every((judge) => Object.keys(judgeErrors(judge)).length === 0)
  const isEstimated = choice.count > 0 && isJudged
  const wanted = isEstimated ? { count: choice.count, judges: judges.map(judgeOf) } : undefined
  const estimate = useEstimate(place, wanted)
  const start = async () => {
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
  const change = (at: number, judge: JudgeEntry) => setJudges(judges.map((one, place) => (place === at ? judge : one)))
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
      {judges.map((judge, at) => (
        <JudgeFields
          // biome-ignore lint/suspicious/noArrayIndexKey: a judge has no other identity while it is typed
          key={at}
          entry={judge}
          errors={wasSent ? judgeErrors(judge) : {}}
          onChange={(next) => change(at, next)}
          onRemove={judges.length > 1 ? () => setJudges(judges.filter((_, place) => place !== at)) : undefined}
        />
      ))}
      <Button
        icon="plus"
        look="quiet"
        className="self-start"
        onClick={() => setJudges([...judges, emptyJudge(`judge-${judges.length + 1}`)])}
      >
        Another judge
      </Button>
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
