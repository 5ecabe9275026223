import type { LargeValue } from '../../../src/model/runs/step.ts'
import type { RunAddress, WholeStep } from '../../data/run.ts'
import { largeMembers } from './large-members.ts'
import { LargeValueBox, ValueBox } from './value-box.tsx'

/** Parameters of a step beside the expressions that they came from. */
export const Inputs = ({
  step,
  place,
  onChoose,
}: {
  step: WholeStep
  place: RunAddress
  onChoose: (step: string) => void
}) => {
  const large = largeMembers(step.large_values, 'inputs')
  const path = `${step.key}.inputs`
  if (large === 'whole') {
    const reference = step.inputs as unknown as LargeValue
    return <LargeValueBox reference={reference} place={place} step={step.key} of="inputs" path={path} label="input" />
  }
  const names = Object.keys(step.inputs)
  if (names.length === 0) return <p className="text-muted">This step takes no parameters.</p>
  return (
    <dl className="flex flex-col">
      {names.map((name) => (
        <div key={name} className="flex flex-col gap-1 border-line border-b py-2 last:border-0">
          <dt
            className={`flex min-w-0 gap-x-3 ${isLong(step.origins[name]) ? 'flex-col' : 'flex-wrap items-baseline'}`}
          >
            <span className="font-mono text-12">{name}</span>
            <Origin text={step.origins[name]} onChoose={onChoose} />
          </dt>
          <dd className="min-w-0">
            {large.includes(name) ? (
              <LargeValueBox
                reference={step.inputs[name] as LargeValue}
                place={place}
                step={step.key}
                of="inputs"
                member={name}
                path={`${path}.${name}`}
                label={name}
              />
            ) : (
              <ValueBox value={step.inputs[name]} path={`${path}.${name}`} label={name} />
            )}
          </dd>
        </div>
      ))}
    </dl>
  )
}

const isLong = (origin: string | undefined): boolean =>
  origin !== undefined && (origin.includes('\n') || origin.length > 50)

const firstName = /^\s*([A-Za-z_][A-Za-z0-9_-]*)/
const notSteps = ['init_params', 'env', 'callbacks']

/** The expression, with a way to the step that it reads first. */
const Origin = ({ text, onChoose }: { text: string | undefined; onChoose: (step: string) => void }) => {
  if (text === undefined) return <span className="text-11 text-faint">literal or default</span>
  const shown = (
    <code className="min-w-0 whitespace-pre-wrap font-mono text-12 text-muted [overflow-wrap:anywhere]">{text}</code>
  )
  const step = firstName.exec(text.replace(/^[^{]*\{\{/, ''))?.[1]
  if (step === undefined || notSteps.includes(step) || /[{[]/.test(text[0] ?? '')) return shown
  return (
    <button
      type="button"
      title={`Go to ${step}`}
      onClick={() => onChoose(step)}
      className="min-w-0 text-left hover:underline"
    >
      {shown}
    </button>
  )
}
