import type { ErrorRecord } from '../../../src/model/runs/error-record.ts'
import { isOpen, type Run, type RunStep, stepsInOrder, type WholeStep } from '../../data/run.ts'
import { splitQuestion } from '../../parts/question.ts'
import { remedyOf } from '../../parts/remedy.ts'
import { statusOfStep } from '../../parts/status-of-step.ts'

/** What a person can do first about a run that needs somebody. */
export type FirstAction =
  | { kind: 'show'; step: string }
  | { kind: 'rerun'; step: string }
  | { kind: 'child'; task: string; id: string }
  | { kind: 'runs'; step: string }
  | { kind: 'environment'; collection: string }
  | { kind: 'definition' }
  | { kind: 'none' }

/** The banner of a run: what is wrong, and what to do first. */
export interface Trouble {
  tone: 'bad' | 'part' | 'wait' | 'idle'
  /** The step that it is about; undefined where the run itself was refused. */
  step: string | undefined
  message: string
  /** The error behind the error. */
  cause: string | undefined
  hint: string | undefined
  /** Failed steps beside that one. */
  others: number
  action: FirstAction
}

const definitionCodes: ReadonlySet<string> = new Set(['reference_missing', 'parameter_invalid', 'workflow_invalid'])

const failedSteps = (run: Run): RunStep[] => {
  const all = stepsInOrder(run).filter(({ status }) => status === 'failed')
  // A span fails with one inside of it, which says why.
  const around = new Set(all.flatMap(({ span }) => span?.parent ?? []))
  const failed = all.filter(({ span }) => !span || !around.has(span.id))
  // A failure that the run went on from explains nothing when a later one ended it.
  const ending = failed.filter((step) => step.ended !== null && run.error?.includes(`'${step.key}'`))
  return ending.length > 0 ? [...ending, ...failed.filter((step) => !ending.includes(step))] : failed
}

/** The step to show first: the one that failed, that waits for a person, or that is at work; of a trace its root. */
export const firstStepToShow = (run: Run): string | undefined => {
  const [failed] = run.status === 'failed' ? failedSteps(run) : []
  if (failed) return failed.key
  const waiting = run.waiting?.[0]
  if (waiting) return waiting.step
  const steps = stepsInOrder(run)
  const root = steps.find(({ span }) => span?.parent === null)
  if (root) return root.key
  const active = isOpen(run) ? steps.find(({ status }) => status === 'running') : undefined
  return (active ?? steps.findLast(({ status }) => status !== 'skipped') ?? steps[0])?.key
}

/** The first child run of a fan-out or sub-run that failed, as its step's outputs name it. */
const failedChildOf = (step: Pick<WholeStep, 'outputs'>): { task: string; id: string } | undefined => {
  const { trajectory_references: references, trajectory_id: id, name, status } = step.outputs
  const child = Array.isArray(references)
    ? references.find((one) => one !== null && typeof one === 'object' && one.status !== 'completed')
    : { trajectory_id: id, name, status }
  if (typeof child?.trajectory_id !== 'string' || typeof child.name !== 'string' || child.status === 'completed')
    return undefined
  return { task: child.name.slice(child.name.indexOf('/') + 1), id: child.trajectory_id }
}

const actionFor = (run: Run, step: RunStep | undefined, code: string, retryable: boolean): FirstAction => {
  if (code === 'model_unavailable') return { kind: 'environment', collection: run.collection }
  if (definitionCodes.has(code)) return { kind: 'definition' }
  if (!step) return { kind: 'none' }
  return { kind: retryable ? 'rerun' : 'show', step: step.key }
}

/** The error behind an error, where its message does not repeat it. */
const causeOf = (detail: ErrorRecord | undefined): string | undefined =>
  detail?.cause && !detail.message.includes(detail.cause) ? detail.cause : undefined

const failureOf = (run: Run, whole: WholeStep | undefined): Trouble => {
  const [step, ...others] = failedSteps(run)
  const detail = step?.error_detail ?? (step ? undefined : (run.error_detail ?? undefined))
  const code = detail?.code ?? ''
  const child = whole && whole.key === step?.key ? failedChildOf(whole) : undefined
  return {
    ...calm,
    tone: 'bad',
    step: step?.key,
    message: detail?.message ?? step?.error ?? run.error ?? 'The run failed, and no reason was recorded.',
    cause: causeOf(detail),
    hint: detail && remedyOf(detail),
    others: others.length,
    action: child ? { kind: 'child', ...child } : actionFor(run, step, code, detail?.retryable ?? false),
  }
}

const calm = { cause: undefined, hint: undefined, others: 0 }

const waitOf = (waiting: NonNullable<Run['waiting']>): Trouble => {
  const { step, message } = waiting[0]!
  return {
    ...calm,
    tone: 'wait',
    step,
    message: splitQuestion(message).title,
    others: waiting.length - 1,
    action: { kind: 'show', step },
  }
}

const unservedOf = (labels: readonly string[]): Trouble => ({
  ...calm,
  tone: 'wait',
  step: undefined,
  message: `It waits: no server process has the labels ${labels.join(' and ')}`,
  hint: `Start one with JETTY_LABELS=${labels.join(',')}`,
  action: { kind: 'none' },
})

const cancelledOf = (run: Run): Trouble => {
  const at = stepsInOrder(run).find(({ status }) => status === 'cancelled')
  const message = run.error ?? (at ? `Cancelled during ${at.key}` : 'Cancelled before its first step')
  const action: FirstAction = at ? { kind: 'rerun', step: at.key } : { kind: 'none' }
  return { ...calm, tone: 'idle', step: at?.key, message, action }
}

/** A step that went on although runs that it started failed. */
const partialOf = (run: Run): Trouble | undefined => {
  const parts = stepsInOrder(run).filter((step) => statusOfStep(step) === 'partial')
  const [step] = parts
  if (!step?.progress) return undefined
  const { failed, begun } = step.progress
  return {
    ...calm,
    tone: 'part',
    step: step.key,
    message: `${failed.toLocaleString('en-US')} of ${begun.toLocaleString('en-US')} runs failed`,
    hint: 'The step went on without them, as its continue_on_error says.',
    others: parts.length - 1,
    action: { kind: 'runs', step: step.key },
  }
}

/**
 * What keeps a run from being well; undefined while nothing does. `whole` is the failed step with its values, once it is
 * known: with it the failed child of a fan-out is named.
 */
export const troubleOf = (run: Run, whole?: WholeStep): Trouble | undefined => {
  if (run.status === 'failed') return failureOf(run, whole)
  if (run.waiting && run.waiting.length > 0 && isOpen(run)) return waitOf(run.waiting)
  if (run.runs_on?.servers === 0 && isOpen(run)) return unservedOf(run.runs_on.labels)
  return run.status === 'cancelled' ? cancelledOf(run) : partialOf(run)
}
