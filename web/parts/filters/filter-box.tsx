import { type FormEvent, useState } from 'react'
import { Button } from '../../ui/button.tsx'
import { Checkbox, SelectField, TextField } from '../../ui/field.tsx'
import { StatusMark, statusWord } from '../../ui/status.tsx'
import { type FilterChip, type RunFilters, withFilter } from './run-filters.ts'

const statuses = ['running', 'pending', 'completed', 'failed', 'cancelled', 'archived'] as const

const triggers = [
  ['api', 'a request'],
  ['routine', 'a routine'],
  ['parent', 'another run'],
  ['rerun', 'a re-run'],
  ['gateway', 'a call of the gateway'],
  ['ingest', 'elsewhere, and sent in'],
] as const

const textFields = [
  ['label', 'Label'],
  ['author', 'Person or key'],
  ['version', 'Version'],
  ['model', 'Model'],
  ['error', 'Error contains'],
  ['parent_id', 'Started by the run'],
] as const

const placeholders: Record<string, string> = {
  label: 'key or key:value',
  author: 'admin or api-key:name',
  version: '7',
  model: 'provider/model',
  error: 'text of the error',
  parent_id: 'id of a run',
  task: 'name of a task',
}

export interface FilterBoxProps {
  filters: RunFilters
  onChange: (filters: RunFilters) => void
  /** Tasks to choose from; without them the list is that of one task. */
  hasTasks: boolean
  close: () => void
}

/** Everything that a list can be limited to. */
const FilterBox = ({ filters, onChange, hasTasks, close }: FilterBoxProps) => (
  <div className="flex flex-col gap-4">
    <fieldset>
      <legend className="mb-1 font-medium text-12 text-muted">Status</legend>
      <div className="grid grid-cols-2 gap-1">
        {statuses.map((status) => (
          <button
            key={status}
            type="button"
            aria-pressed={filters.status.includes(status)}
            onClick={() => onChange(toggledStatus(filters, status))}
            className={`flex items-center gap-1.5 rounded-s px-1.5 py-1 text-left ${filters.status.includes(status) ? 'bg-selection' : 'hover:bg-sunk'}`}
          >
            <StatusMark of={status} /> {statusWord(status)}
          </button>
        ))}
      </div>
    </fieldset>
    <SelectField
      label="Started by"
      value=""
      options={[['', 'Anything'], ...triggers]}
      onChange={(event) => {
        if (event.target.value) onChange(withFilter(filters, 'trigger', event.target.value))
        close()
      }}
    />
    <TextFilter filters={filters} hasTasks={hasTasks} onChange={onChange} close={close} />
    <Checkbox
      label="Runs that other runs started, too"
      checked={filters.children === 'shown'}
      onChange={(event) => {
        const { children: _, ...rest } = filters
        onChange(event.target.checked ? { ...rest, children: 'shown' } : rest)
      }}
    />
  </div>
)

const toggledStatus = (filters: RunFilters, status: string): RunFilters => ({
  ...filters,
  status: filters.status.includes(status)
    ? filters.status.filter((one) => one !== status)
    : [...filters.status, status],
})

const TextFilter = ({ filters, hasTasks, onChange, close }: FilterBoxProps) => {
  const [name, setName] = useState<FilterChip['name']>('label')
  const [value, setValue] = useState('')
  const [isNot, setNot] = useState(false)
  const hasOpposite = name === 'label' || name === 'task'
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (value.trim() === '') return
    onChange(withFilter(filters, hasOpposite && isNot ? `${name}_not` : name, value.trim()))
    close()
  }
  return (
    <form onSubmit={submit} className="flex flex-col gap-2">
      <div className="flex items-end gap-2">
        <SelectField
          label="Field"
          value={name}
          options={hasTasks ? [['task', 'Task'], ...textFields] : textFields}
          onChange={(event) => setName(event.target.value as FilterChip['name'])}
        />
        <TextField
          label="Value"
          boxClass="flex-1"
          autoFocus
          value={value}
          placeholder={placeholders[name]}
          onChange={(event) => setValue(event.target.value)}
        />
      </div>
      <div className="flex items-center justify-between">
        <Checkbox
          label="Not"
          disabled={!hasOpposite}
          checked={hasOpposite && isNot}
          onChange={(event) => setNot(event.target.checked)}
        />
        <Button type="submit">Add</Button>
      </div>
    </form>
  )
}

export default FilterBox
