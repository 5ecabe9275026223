import { Button, IconButton } from '../../../ui/button.tsx'
import { SelectField, TextField } from '../../../ui/field.tsx'
import { type LabelEntry, labelFaults } from './retention-entry.ts'

interface LabelRulesProps {
  labels: readonly LabelEntry[]
  isDisabled: boolean
  onChange: (labels: readonly LabelEntry[]) => void
}

/** Rules for runs with a label: kept for ever, or for fewer days than the others. */
export const LabelRules = ({ labels, isDisabled, onChange }: LabelRulesProps) => {
  const change = (at: number, more: Partial<LabelEntry>) =>
    onChange(labels.map((one, place) => (place === at ? { ...one, ...more } : one)))
  return (
    <section aria-labelledby="by-label" className="flex flex-col items-start gap-3">
      <div>
        <h2 id="by-label" className="font-semibold text-15">
          By label
        </h2>
        <p className="text-muted">Keep runs with a label for ever, or delete them sooner than the others.</p>
      </div>
      {labels.map((entry, at) => {
        const faults = labelFaults(entry, labels)
        const name = entry.label === '' ? `label ${at + 1}` : entry.label
        return (
          <div
            // biome-ignore lint/suspicious/noArrayIndexKey: a rule has no other identity while it is typed
            key={at}
            role="group"
            aria-label={`Rule of ${name}`}
            className="grid w-full grid-cols-[1fr_1fr_auto] items-start gap-3 sm:grid-cols-[14rem_10rem_8rem_auto]"
          >
            <TextField
              label="Label"
              isCode
              placeholder="golden, or env:test"
              disabled={isDisabled}
              boxClass="max-sm:col-span-2"
              value={entry.label}
              error={faults.label}
              onChange={(event) => change(at, { label: event.target.value })}
            />
            <SelectField
              label="Its runs are"
              disabled={isDisabled}
              boxClass="max-sm:col-start-1"
              value={entry.isKept ? 'kept' : 'deleted'}
              options={[
                ['kept', 'kept for ever'],
                ['deleted', 'deleted after'],
              ]}
              onChange={(event) => change(at, { isKept: event.target.value === 'kept' })}
            />
            {entry.isKept ? (
              <span />
            ) : (
              <TextField
                label="Days"
                inputMode="numeric"
                disabled={isDisabled}
                value={entry.days}
                error={faults.days}
                onChange={(event) => change(at, { days: event.target.value })}
              />
            )}
            <IconButton
              icon="cross"
              label={`Remove the rule of ${name}`}
              disabled={isDisabled}
              className="mt-5.5 max-sm:col-start-3 max-sm:row-start-1"
              onClick={() => onChange(labels.filter((_, place) => place !== at))}
            />
          </div>
        )
      })}
      <Button
        icon="plus"
        disabled={isDisabled}
        onClick={() => onChange([...labels, { label: '', isKept: true, days: '' }])}
      >
        Add a label
      </Button>
    </section>
  )
}
