import { type ChildRun, FailedWith, type WaitForRuns } from '../../activities/activity.ts'
import { AppError } from '../../lib/errors.ts'
import { now } from '../../lib/time.ts'
import type { StepPlace } from '../steps/step-run.ts'

/** Why a fan-out starts no more runs: it has all of them, one failed, the time is over, or the run is ending. */
export type Over = 'ended' | 'failed' | 'timed_out' | 'interrupted'

/** Maximum failed runs named in the step's error. */
const mostNamed = 5
/** Maximum characters of each error after the first. */
const shortError = 300

/** Builds the outputs of a step whose runs have ended. A failed step keeps them, so that its runs can be found. */
export const fanOutOutcome = async (
  place: StepPlace,
  wanted: WaitForRuns,
  ended: ChildRun[],
  over: Over,
): Promise<Record<string, unknown> | FailedWith> => {
  const failure = wanted.runs.continueOnError ? undefined : failureOf(place, wanted, ended, over)
  const outputs = await wanted.outputs(ended)
  return failure ? new FailedWith(failure, outputs) : outputs
}

const failureOf = (place: StepPlace, { runs }: WaitForRuns, ended: ChildRun[], over: Over): AppError | undefined => {
  if (over === 'timed_out') return timedOut(place, runs.count, ended)
  const failed = ended.filter(({ status }) => status === 'failed')
  const [first, ...others] =
    failed.length > 0 ? failed : ended.filter(({ status }) => status !== 'completed').slice(0, 1)
  if (!first) return undefined
  const count =
    failed.length > 0 ? `${failed.length} of ${runs.count} runs failed` : `A run of ${runs.count} did not complete`
  const named = others.slice(0, mostNamed - 1).map((run) => describe(run, shortError))
  const more = others.length - named.length
  const text = [`${count}; first: ${describe(first)}`, ...named, ...(more > 0 ? [`and ${more} more`] : [])].join('; ')
  return new AppError('child_failed', text, {
    hint: `GET /api/v1/db/trajectory/${first.name}/${first.trajectory_id} shows the first. outputs.trajectory_references of the step lists all of them.`,
  })
}

const describe = ({ name, trajectory_id: id, index, status, error }: ChildRun, longest?: number): string => {
  const why = error ?? `it is ${status}`
  const shown = longest !== undefined && why.length > longest ? `${why.slice(0, longest)}…` : why
  return `${name} ${id} (item ${index}): ${shown}`
}

const timedOut = ({ name, started }: StepPlace, count: number, ended: ChildRun[]): AppError => {
  const completed = ended.filter(({ status }) => status === 'completed').length
  const seconds = Math.round((now() - (started?.getTime() ?? now())) / 1000)
  return new AppError(
    'timed_out',
    `Step '${name}' timed out after ${seconds} s: ${completed} of ${count} runs had completed`,
    {
      hint: 'Raise timeout_sec of the step, or accept partial results with continue_on_error.',
    },
  )
}
