import { type FormEvent, useId, useState } from 'react'
import { secondsIn } from '../../text/times.ts'
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
  /** Models of the runs that are listed, to choose from. */
  models: readonly string[]
  close: () => void
}

/** Everything that a list can be limited to. */
const FilterBox = ({ filters, onChange, hasTasks, models, close }: FilterBoxProps) => (
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
        <button
          type="button"
          aria-pressed={isWaiting(filters)}
          title="Runs that wait for a person or for an event"
          onClick={() => onChange({ ...filters, waiting_for: isWaiting(filters) ? [] : [...outside] })}
          className={`flex items-center gap-1.5 rounded-s px-1.5 py-1 text-left ${isWaiting(filters) ? 'bg-selection' : 'hover:bg-sunk'}`}
        >
          <StatusMark of="waiting" /> {statusWord('waiting')}
        </button>
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
    <TextFilter filters={filters} hasTasks={hasTasks} models={models} onChange={onChange} close={close} />
    <BoundsFilter filters={filters} onChange={onChange} close={close} />
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

const outside = ['approval', 'event']

const isWaiting = ({ waiting_for: waits }: RunFilters): boolean => waits.length > 0

interface Bound {
  name: FilterChip['name']
  label: string
  /** The value of the filter, where what was typed is one. */
  read: (text: string) => number | undefined
  placeholder: string
}

const usdIn = (text: string): number | undefined => {
  const usd = Number(text.replace(/^\$/, ''))
  return usd >= 0 ? usd : undefined
}

const bounds: readonly (readonly [title: string, Bound, Bound])[] = [
  [
    'Cost in US dollars',
    { name: 'min_cost_usd', label: 'Cost at least', read: usdIn, placeholder: '0.50' },
    { name: 'max_cost_usd', label: 'Cost at most', read: usdIn, placeholder: '2' },
  ],
  [
    'Duration',
    { name: 'min_duration_seconds', label: 'Took at least', read: secondsIn, placeholder: '90 s' },
    { name: 'max_duration_seconds', label: 'Took at most', read: secondsIn, placeholder: '2 h' },
  ],
]

/** Bounds of what a run cost and how long it took. */
const BoundsFilter = ({ filters, onChange, close }: Omit<FilterBoxProps, 'hasTasks' | 'models'>) => {
  const [typed, setTyped] = useState<Readonly<Record<string, string>>>({})
  const wrong = (bound: Bound) => (typed[bound.name] ?? '').trim() !== '' && readBound(bound) === undefined
  const readBound = ({ name, read }: Bound) => read((typed[name] ?? '').trim())
  const all = bounds.flatMap(([, least, most]) => [least, most])
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (all.some(wrong)) return
    const set = all.filter(({ name }) => (typed[name] ?? '').trim() !== '')
    if (set.length === 0) return
    onChange(set.reduce((changed, bound) => withFilter(changed, bound.name, String(readBound(bound))), filters))
    close()
  }
  return (
    <form onSubmit={submit} className="flex flex-col gap-2">
      {bounds.map(([title, ...pair]) => (
        <fieldset key={title}>
          <legend className="mb-1 font-medium text-12 text-muted">{title}</legend>
          <div className="flex items-start gap-2">
            {pair.map((bound) => (
              <TextField
                key={bound.name}
                label={bound.label}
                hidesLabel
                boxClass="min-w-0 flex-1"
                value={typed[bound.name] ?? ''}
                placeholder={`${bound.name.startsWith('min') ? 'at least' : 'at most'} ${bound.placeholder}`}
                error={wrong(bound) ? `Such as ${bound.placeholder}` : undefined}
                onChange={(event) => setTyped({ ...typed, [bound.name]: event.target.value })}
              />
            ))}
          </div>
        </fieldset>
      ))}
      <Button type="submit" className="self-end">
        Apply
      </Button>
    </form>
  )
}

const toggledStatus = (filters: RunFilters, status: string): RunFilters => ({
  ...filters,
  status: filters.status.includes(status)
    ? filters.status.filter((one) => one !== status)
    : [...filters.status, status],
})

const TextFilter = ({ filters, hasTasks, models, onChange, close }: FilterBoxProps) => {
  const choices = useId()
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
          {...(name === 'model' ? { list: choices } : {})}
          onChange={(event) => setValue(event.target.value)}
        />
        <datalist id={choices}>
          {models.map((model) => (
            <option key={model} value={model} />
          ))}
        </datalist>
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
