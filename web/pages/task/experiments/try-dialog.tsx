import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { JsonObject } from '../../../../src/lib/json/json-object.ts'
import type { ExperimentPlan } from '../../../../src/model/runs/experiment.ts'
import { api } from '../../../data/api.ts'
import { useSettled } from '../../../data/settled.ts'
import { FormDialog } from '../../../parts/form-dialog.tsx'
import { errorText } from '../../../parts/problem.tsx'
import { enteredVersion, VersionField } from '../../../parts/versions/version-field.tsx'
import { countText, usdText } from '../../../text/numbers.ts'
import { Checkbox, SelectField, TextField } from '../../../ui/field.tsx'
import { areComplete, type JudgeEntry, JudgeList, judgeOf, keepJudges, lastJudges } from '../evaluations/judges.tsx'
import type { TaskPlaceProps } from '../use-task.ts'

/** What is tried: a request to the API without `dry_run`. */
type Trial = Omit<NonNullable<Parameters<typeof api.startExperiment>[0]['body']>, 'dry_run'>

/** Recorded runs on which a change is tried unless a person says otherwise. */
export const usualRuns = 20

/** What a trial would execute and cost, or why it cannot be; nothing is stored or executed. */
export const useTrialPlan = (place: TaskPlaceProps, trial: Trial | undefined) => {
  const wanted = JSON.stringify(trial ?? null)
  const settled = useSettled(wanted, 600)
  const { data, error } = useQuery({
    queryKey: ['trial-plan', place.collection, place.task, settled],
    queryFn: ({ signal }) =>
      api.startExperiment({ params: place, body: { ...(JSON.parse(settled) as Trial), dry_run: true }, signal }),
    enabled: settled !== 'null',
    staleTime: 60_000,
    retry: false,
  })
  // The price of another trial is none.
  return wanted === settled ? { plan: data?.plan, error } : {}
}

/** For the text of a button: `, about $0.31`; empty where nothing is known, or nothing is paid. */
export const planPrice = (plan: ExperimentPlan | undefined): string =>
  plan?.cost_usd?.expected ? `, about ${usdText(plan.cost_usd.expected)}` : ''

const runsText = (count: number): string => `${countText(count)} ${count === 1 ? 'run' : 'runs'}`

/** What a plan says, in one line. */
export const planText = ({ runs, changed, untouched, cannot, first_steps: steps, ...plan }: ExperimentPlan): string => {
  const { cost_usd: cost, reason } = plan
  const first = Object.keys(steps).slice(0, 3).join(', ')
  const range =
    cost && cost.low !== null && cost.high !== null ? ` (${usdText(cost.low)} to ${usdText(cost.high)})` : ''
  return [
    runsText(runs),
    changed > 0 && `${countText(plan.executions)} executed from ${first}`,
    untouched > 0 && `${countText(untouched)} untouched, at no cost`,
    cannot > 0 && `${countText(cannot)} cannot be tried`,
    changed > 0 && (cost ? `about ${usdText(cost.expected)}${range}` : `cost unknown: ${reason}`),
  ]
    .filter(Boolean)
    .join(' · ')
}

const PlanLine = ({ plan, error }: ReturnType<typeof useTrialPlan>) => {
  if (error) return <p className="text-12 text-bad">{errorText(error)}</p>
  return <p className="text-12 text-muted">{plan ? planText(plan) : 'Finding what would be executed …'}</p>
}

interface TryDialogProps {
  place: TaskPlaceProps
  /** The workflow that is tried; without one a version is asked for. */
  workflow?: JsonObject
  onClose: () => void
  onStarted: (id: string) => void
}

const whichRuns = [
  ['', 'all that have ended'],
  ['completed', 'completed'],
  ['failed', 'failed'],
] as const

/** Tries another version of a task on recorded runs: which, judged by what, and for how much. */
export const TryDialog = ({ place, workflow, onClose, onStarted }: TryDialogProps) => {
  const [version, setVersion] = useState('')
  const [last, setLast] = useState(String(usualRuns))
  const [status, setStatus] = useState<(typeof whichRuns)[number][0]>('')
  const [label, setLabel] = useState('')
  const [bound, setBound] = useState('')
  const [repeat, setRepeat] = useState('1')
  const [allow, setAllow] = useState<readonly string[]>([])
  const [judges, setJudges] = useState<readonly JudgeEntry[]>(() => lastJudges(place) ?? [])
  const [wasSent, setSent] = useState(false)
  const isJudged = areComplete(judges)
  const trial: Trial = {
    ...(workflow === undefined ? enteredVersion(version) : { workflow }),
    runs: {
      last: Number(last) || usualRuns,
      ...(status === '' ? {} : { status: [status] }),
      ...(label.trim() === '' ? {} : { label: [label.trim()] }),
    },
    ...(judges.length > 0 && isJudged ? { judges: judges.map(judgeOf) } : {}),
    allow: [...allow],
    ...(bound.trim() === '' ? {} : { bound_usd: Number(bound) }),
    ...(Number(repeat) > 1 ? { repeat: Number(repeat) } : {}),
  }
  const planned = useTrialPlan(place, trial)
  const { plan } = planned
  const writing = [...new Set([...(plan?.writing_steps ?? []), ...allow])]
  const submit = () => {
    setSent(true)
    if (!isJudged) return undefined
    keepJudges(place, judges)
    return api.startExperiment({ params: place, body: trial })
  }
  return (
    <FormDialog
      title={workflow === undefined ? `Try a version of ${place.task}` : 'Try this text on recorded runs'}
      width="wide"
      action={`Try it${planPrice(plan)}`}
      busy="Starting …"
      icon="play"
      isReady={plan !== undefined && plan.changed > 0}
      extra={<PlanLine {...planned} />}
      work={submit}
      next={({ experiment_id: id }) => id !== null && onStarted(id)}
      onClose={onClose}
    >
      <p className="text-muted">
        Each run takes what was recorded before the first step that differs; only the rest is executed.
      </p>
      {workflow === undefined && <VersionField place={place} value={version} onChange={setVersion} />}
      <div className="grid gap-3 sm:grid-cols-2">
        <TextField
          label="Newest runs"
          inputMode="numeric"
          value={last}
          onChange={(event) => setLast(event.target.value)}
        />
        <SelectField
          label="Of those"
          value={status}
          options={whichRuns}
          onChange={(event) => setStatus(event.target.value as typeof status)}
        />
        <TextField
          label="With the label"
          isCode
          value={label}
          placeholder="any"
          hint="A key, or key:value"
          onChange={(event) => setLabel(event.target.value)}
        />
        <TextField
          label="At most, in US dollars"
          inputMode="decimal"
          value={bound}
          placeholder="no bound"
          hint="Nothing starts that could cost more in all"
          error={bound.trim() !== '' && !(Number(bound) >= 0) ? 'A number, such as 2.50' : undefined}
          onChange={(event) => setBound(event.target.value)}
        />
        <TextField
          label="Repetitions"
          inputMode="numeric"
          value={repeat}
          hint="From 2 on the recorded version is repeated too: how much it differs from itself"
          error={/^([1-9]|1\d|20)$/.test(repeat.trim()) ? undefined : 'A number from 1 to 20'}
          onChange={(event) => setRepeat(event.target.value)}
        />
      </div>
      {writing.map((step) => (
        <Checkbox
          key={step}
          label={`Execute ${step} too, although it writes`}
          checked={allow.includes(step)}
          onChange={({ target }) =>
            setAllow(target.checked ? [...allow, step] : allow.filter((other) => other !== step))
          }
        />
      ))}
      <JudgeList judges={judges} onChange={setJudges} showsErrors={wasSent} least={0} />
      {judges.length === 0 && (
        <p className="text-12 text-muted">Without a judge it is found which outputs differ, not which are better.</p>
      )}
    </FormDialog>
  )
}
