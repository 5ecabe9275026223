import type { CheckedStep, WorkflowCheck } from '../../../../src/model/workflows/workflow-check.ts'
import { Icon } from '../../../ui/icon.tsx'

interface StepListProps {
  check: WorkflowCheck
  onChoose: (step: string) => void
}

const named = (arm: readonly string[]): string => {
  const last = arm.at(-1)
  return last === undefined ? 'nothing' : arm.length === 1 ? last : `${arm.slice(0, -1).join(', ')} and ${last}`
}

/** What there is to say about the place of a step among the others. */
const remarkOf = ({ branch, loop, decided_by, name }: CheckedStep): string => {
  if (branch) return `leads to ${named(branch.true_steps)} or ${named(branch.false_steps)}`
  if (loop) return loop.counter === name ? `repeats from ${loop.first} on` : `repeated by ${loop.counter}`
  return decided_by.length > 0 ? `if ${decided_by.join(' or ')} leads here` : ''
}

/** The steps of a workflow in the order of execution. */
export const StepList = ({ check, onChoose }: StepListProps) => {
  const faulty = new Set(check.problems.filter(({ severity }) => severity === 'error').map(({ step }) => step))
  if (check.steps.length === 0) return <p className="p-4 text-muted">The workflow has no steps yet.</p>
  return (
    <ol>
      {check.steps.map((step) => (
        <li key={step.name}>
          <button
            type="button"
            onClick={() => onChoose(step.name)}
            className="flex w-full items-baseline gap-3 px-4 py-1.5 text-left hover:bg-sunk"
          >
            {faulty.has(step.name) && <Icon name="cross" label="Has an error" className="self-center text-bad" />}
            <span className={`min-w-0 truncate ${step.is_listed ? '' : 'pl-4'}`}>{step.name}</span>
            <span className="min-w-0 flex-1 truncate text-12 text-muted">{remarkOf(step)}</span>
            <code className="shrink-0 font-mono text-11 text-faint">{step.activity ?? 'no activity'}</code>
          </button>
        </li>
      ))}
      {check.steps_total > check.steps.length && (
        <p className="px-4 py-2 text-muted">{check.steps_total - check.steps.length} more steps are not shown.</p>
      )}
    </ol>
  )
}
