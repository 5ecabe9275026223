import { keepPreviousData, useMutation, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import type {
  Experiment,
  ExperimentItem,
  ExperimentJudge,
  ExperimentOutcome,
} from '../../../../src/model/runs/experiment.ts'
import { api } from '../../../data/api.ts'
import { searchText } from '../../../data/search-text.ts'
import { FormDialog } from '../../../parts/form-dialog.tsx'
import { PageLink } from '../../../parts/page-link.tsx'
import { errorText, Problem } from '../../../parts/problem.tsx'
import { NewTag } from '../../../parts/versions/tags.tsx'
import { versionName } from '../../../parts/versions/version-meta.ts'
import { countText, usdText } from '../../../text/numbers.ts'
import { Button } from '../../../ui/button.tsx'
import { TextField } from '../../../ui/field.tsx'
import { Status, StatusMark } from '../../../ui/status.tsx'
import { showToast } from '../../../ui/toast.tsx'
import { changeMark } from '../evaluations/evaluation-view.tsx'
import { whileOpen } from '../jobs/job-page.tsx'
import type { TaskPlaceProps } from '../use-task.ts'

export const experimentQueries = {
  all: ({ collection, task }: TaskPlaceProps) => ['experiments', collection, task],
  one: ({ collection, task }: TaskPlaceProps, id: string) => ['experiments', collection, task, id],
}

/** Each outcome in words, with the state of runs that it looks like; worst first. */
const outcomeWords: Record<ExperimentOutcome, readonly [words: string, mark: string]> = {
  failed: ['failed only now', 'failed'],
  cannot: ['could not be tried', 'failed'],
  unjudged: ['not judged', 'partial'],
  stopped_before_effect: ['ended before a step that writes', 'waiting'],
  judged: ['judged', 'completed'],
  changed: ['another output', 'waiting'],
  fixed: ['fixed', 'completed'],
  same_output: ['same output', 'skipped'],
  untouched: ['untouched', 'skipped'],
  cancelled: ['cancelled', 'cancelled'],
}

const difference = ({ scale }: Pick<ExperimentJudge, 'scale'>, value: number): string => {
  const size = Math.abs(value)
  const text = scale === null ? `${Number((size * 100).toFixed(1))} %` : String(Number(size.toFixed(2)))
  return value < 0 ? `−${text}` : text
}

/** What a judge says of a candidate, as people say it. */
export const verdictSentence = (judge: ExperimentJudge): string => {
  const { verdict, mean_difference: mean, interval, p_adjusted: p, detectable, n } = judge
  if (n === 0 || mean === null) return 'nothing judged yet'
  if (verdict === 'no_difference') {
    const would = detectable === null ? '' : `; ${difference(judge, detectable)} would have been seen`
    return `no difference seen${would}`
  }
  const range = interval ? `, between ${difference(judge, interval.low)} and ${difference(judge, interval.high)}` : ''
  return `${verdict} by ${difference(judge, Math.abs(mean))}${range} (p ${p < 0.001 ? '< 0.001' : p.toFixed(3)})`
}

const percent = (share: number): string => `${Number((share * 100).toFixed(1))} %`

/** What repetitions show: how much the recorded version differs from itself, and how reliably both pass. */
export const repeatsSentence = (judge: ExperimentJudge): string => {
  const { noise, pass_all: all, base_pass_all: before } = judge.repeats ?? {}
  const own = typeof noise === 'number' && `repeated, the recorded version varies by ${difference(judge, noise)}`
  const every = typeof all === 'number' && `every repetition passes in ${percent(all)} of runs`
  return [own, every, every && typeof before === 'number' && `before in ${percent(before)}`].filter(Boolean).join(' · ')
}

const verdictMarks = { better: 'completed', worse: 'failed', no_difference: 'skipped' } as const

const Verdicts = ({ judges }: { judges: readonly ExperimentJudge[] }) => (
  <section aria-label="Verdicts">
    <ul className="divide-y divide-line border-line border-y">
      {judges.map((judge) => (
        <li key={judge.name} className="flex flex-wrap items-center gap-x-3 gap-y-1 px-2 py-1.5">
          <StatusMark of={verdictMarks[judge.verdict]} />
          <span className="font-medium">{judge.name}</span>
          <span className="min-w-40 flex-1">{verdictSentence(judge)}</span>
          <span className="text-12 text-muted">
            {countText(judge.better)} better · {countText(judge.worse)} worse · {countText(judge.same)} equal
          </span>
          {judge.repeats && <span className="w-full pl-6 text-12 text-muted">{repeatsSentence(judge)}</span>}
        </li>
      ))}
    </ul>
  </section>
)

/** What is tried, in words. */
export const candidateText = ({ candidate }: Pick<Experiment, 'candidate'>): string => {
  const { version, index, models, init_params: given } = candidate
  const what = version === null ? 'a text' : index === null ? version : versionName({ ref: version, index })
  const others = [
    ...Object.entries(models).map(([from, to]) => `${to} for ${from}`),
    ...Object.keys(given).map((name) => `another ${name}`),
  ]
  return [what, ...others].join(', ')
}

const factsOf = (experiment: Experiment): string => {
  const { estimate, cost_usd: paid, bound_usd: bound, ended, progress, author } = experiment
  const expected = estimate.cost_usd ? `estimated ${usdText(estimate.cost_usd.expected)}` : 'not estimated'
  return [
    `${candidateText(experiment)} on ${countText(estimate.runs)} runs`,
    ended === null && `${Math.floor(progress * 100)} % done`,
    `${usdText(paid)} paid, ${expected}`,
    bound !== null && `at most ${usdText(bound)}`,
    `by ${author}`,
  ]
    .filter(Boolean)
    .join(' · ')
}

const ItemRow = ({ place, item }: { place: TaskPlaceProps; item: ExperimentItem }) => {
  const [words, mark] = item.outcome === null ? [item.state, 'running'] : outcomeWords[item.outcome]
  const nameOf = (id: string) => `${place.collection}/${place.task}/${id}`
  return (
    <li className="flex flex-wrap items-start gap-x-4 gap-y-1 px-2 py-1.5">
      <StatusMark of={mark} label={words} className="mt-0.5" />
      <span className="min-w-40 flex-1">
        <Link
          to="/$collection/$task/$id"
          params={{ ...place, id: item.trajectory_id }}
          className="font-medium text-accent"
        >
          {item.trajectory_id}
        </Link>{' '}
        {words}
        {item.arm === 'base' && <span className="text-muted"> · recorded version again</span>}
        {item.arm === 'candidate' && item.repetition > 0 && (
          <span className="text-muted"> · repetition {item.repetition + 1}</span>
        )}
        <span className="block truncate text-12 text-muted" title={item.reason ?? undefined}>
          {item.reason ?? (item.from_step === null ? '' : `from ${item.from_step}`)}
        </span>
      </span>
      <span className="flex flex-wrap gap-x-4 gap-y-1">
        {Object.entries(item.verdicts).map(([judge, { base, candidate, change }]) => (
          <span key={judge} className="inline-flex items-center gap-1">
            <span className="text-12 text-muted">{judge}</span>
            <span className="font-medium">
              {base ?? '–'} → {candidate ?? '–'}
            </span>
            <ChangeMark change={change} />
          </span>
        ))}
        {item.trial_id !== null && (
          <PageLink
            href={`/-/compare${searchText({ run: [nameOf(item.trajectory_id), nameOf(item.trial_id)] })}`}
            className="text-accent"
          >
            Side by side
          </PageLink>
        )}
      </span>
    </li>
  )
}

const ChangeMark = ({ change }: Pick<ExperimentItem['verdicts'][string], 'change'>) => {
  const mark = changeMark(change)
  return mark ? (
    <>
      <StatusMark of={mark.of} />
      <span className="text-12 text-muted">{mark.word}</span>
    </>
  ) : null
}

interface GoOnProps {
  place: TaskPlaceProps
  experiment: Experiment
  onClose: () => void
  onDone: () => unknown
}

/** Lets an experiment go on that came to its bound or was stopped. */
const GoOn = ({ place, experiment, onClose, onDone }: GoOnProps) => {
  const [bound, setBound] = useState('')
  const usd = bound.trim() === '' ? null : Number(bound)
  return (
    <FormDialog
      title="Let the experiment go on"
      action="Go on"
      isReady={usd === null || usd >= 0}
      work={() =>
        api.resumeExperiment({
          params: { collection: place.collection, experiment_id: experiment.experiment_id },
          body: { bound_usd: usd },
        })
      }
      onDone={onDone}
      onClose={onClose}
    >
      <p className="text-muted">
        {usdText(experiment.cost_usd)} are paid. What has ended is neither executed nor paid for again.
      </p>
      <TextField
        label="At most, in US dollars, with what is paid"
        inputMode="decimal"
        value={bound}
        placeholder="no bound"
        onChange={(event) => setBound(event.target.value)}
      />
    </FormDialog>
  )
}

const pageSize = 25

interface ExperimentViewProps {
  place: TaskPlaceProps
  id: string
  mayWrite: boolean
}

/** One experiment: what judges say of the candidate, what became of each recorded run, worst first, and what it cost. */
export const ExperimentView = ({ place, id, mayWrite }: ExperimentViewProps) => {
  const [page, setPage] = useState(1)
  const [asks, setAsks] = useState<'bound' | 'tag'>()
  const params = { collection: place.collection, experiment_id: id }
  const { data, error, refetch } = useQuery({
    queryKey: [...experimentQueries.one(place, id), page],
    queryFn: ({ signal }) => api.getExperiment({ params, query: { page, limit: pageSize }, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: whileOpen,
  })
  const cancel = useMutation({
    mutationFn: () => api.cancelExperiment({ params }),
    onSuccess: () => refetch(),
    onError: (thrown) => showToast({ text: errorText(thrown), isBad: true }),
  })
  if (error && !data) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return null
  const { name, state, reason, outcomes, judges, items, has_more: hasMore, candidate } = data
  const counts = Object.entries(outcomeWords).filter(([outcome]) => outcomes[outcome])
  return (
    <section aria-label={`Experiment ${name ?? id}`} className="flex flex-col gap-4 rounded-l border border-line p-4">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
        <h2 className="min-w-0 truncate font-semibold text-15">{name ?? id}</h2>
        <Status of={state} />
        <span className="mr-auto" />
        {mayWrite && state === 'running' && (
          <Button icon="stop" disabled={cancel.isPending} onClick={() => cancel.mutate()}>
            Stop
          </Button>
        )}
        {mayWrite && state === 'stopped' && <Button onClick={() => setAsks('bound')}>Go on</Button>}
        {mayWrite && state === 'completed' && candidate.index !== null && (
          <Button onClick={() => setAsks('tag')}>Tag v{candidate.index}</Button>
        )}
      </div>
      <p className="text-12 text-muted">{factsOf(data)}</p>
      {state === 'stopped' && (
        <p>{reason === 'bound' ? 'Stopped at its bound: what is left could cost more.' : `Stopped: ${reason}`}</p>
      )}
      {judges.length > 0 && <Verdicts judges={judges} />}
      <section aria-label="Runs">
        <h3 className="mb-1 font-medium text-12 text-muted">
          {counts.map(([outcome, [words]]) => `${countText(outcomes[outcome])} ${words}`).join(' · ') || 'No run yet'}
        </h3>
        <ul className="divide-y divide-line border-line border-y">
          {items.map((item) => (
            <ItemRow key={item.n} place={place} item={item} />
          ))}
        </ul>
        {(page > 1 || hasMore) && (
          <div className="mt-2 flex items-center gap-2">
            <Button icon="left" disabled={page === 1} onClick={() => setPage(page - 1)}>
              Before
            </Button>
            <Button disabled={!hasMore} onClick={() => setPage(page + 1)}>
              Next
            </Button>
            <span className="text-12 text-muted">page {page}</span>
          </div>
        )}
      </section>
      {asks === 'bound' && (
        <GoOn place={place} experiment={data} onClose={() => setAsks(undefined)} onDone={() => refetch()} />
      )}
      {asks === 'tag' && candidate.index !== null && (
        <NewTag
          place={place}
          index={candidate.index}
          initial="production"
          onDone={() => showToast({ text: `Version ${candidate.index} is tagged` })}
          onClose={() => setAsks(undefined)}
        />
      )}
    </section>
  )
}
