import { Button } from '../../../ui/button.tsx'
import { SelectField, TextField } from '../../../ui/field.tsx'
import { operationWords } from './audit-words.ts'

export interface EnteredAuditFilter {
  operation: string
  /** `admin`, or the id of a key. */
  actor: string
  target: string
  since: string
}

export const noAuditFilters: EnteredAuditFilter = { operation: '', actor: '', target: '', since: '' }

/** The filters as the API takes them; what is empty or not finished is left out. */
export const auditQuery = ({ operation, actor, target, since }: EnteredAuditFilter) => ({
  ...(operation === '' ? {} : { operation: [operation] }),
  ...(/^(admin|[1-9]\d{0,14})$/.test(actor.trim()) ? { actor: actor.trim() } : {}),
  ...(target.trim() === '' ? {} : { target: target.trim() }),
  ...(/^\d{4}-\d\d-\d\d$/.test(since) ? { since: new Date(`${since}T00:00:00`).toISOString() } : {}),
})

/** Operations that people look for; the API takes any other. */
const operations = [
  ...['createKey', 'updateKey', 'deleteKey', 'setEnvironment', 'updateCollectionSettings', 'signIn', 'endSessions'],
  ...['createTask', 'updateTask', 'deleteTask', 'createRoutine', 'deleteRoutine', 'createCollection'],
  'deleteCollection',
]

interface AuditFiltersProps {
  filters: EnteredAuditFilter
  onChange: (filters: EnteredAuditFilter) => void
}

export const AuditFilters = ({ filters, onChange }: AuditFiltersProps) => {
  const enter = (name: keyof EnteredAuditFilter) => (event: { target: { value: string } }) =>
    onChange({ ...filters, [name]: event.target.value })
  const isFaulty = filters.actor.trim() !== '' && auditQuery(filters).actor === undefined
  return (
    <search className="grid gap-3 sm:grid-cols-[12rem_9rem_minmax(0,1fr)_9rem_auto] sm:items-start">
      <SelectField
        label="What"
        value={filters.operation}
        onChange={enter('operation')}
        options={[['', 'anything'], ...operations.map((one) => [one, operationWords(one)] as const)]}
      />
      <TextField
        label="Who"
        placeholder="admin, or a key's id"
        value={filters.actor}
        error={isFaulty ? 'Write admin, or the id of a key' : undefined}
        onChange={enter('actor')}
      />
      <TextField label="Target contains" value={filters.target} onChange={enter('target')} />
      <TextField label="Since" type="date" value={filters.since} onChange={enter('since')} />
      <Button className="sm:mt-5.5" look="quiet" onClick={() => onChange(noAuditFilters)}>
        Clear
      </Button>
    </search>
  )
}
