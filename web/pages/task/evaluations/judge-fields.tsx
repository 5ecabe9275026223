import { IconButton } from '../../../ui/button.tsx'
import { SelectField, TextArea, TextField } from '../../../ui/field.tsx'
import type { JudgeEntry, judgeErrors } from './judge-entry.ts'

interface JudgeFieldsProps {
  entry: JudgeEntry
  errors: ReturnType<typeof judgeErrors>
  onChange: (entry: JudgeEntry) => void
  onRemove: (() => void) | undefined
}

/** A judge: what it judges by, and how it answers. */
export const JudgeFields = ({ entry, errors, onChange, onRemove }: JudgeFieldsProps) => {
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
