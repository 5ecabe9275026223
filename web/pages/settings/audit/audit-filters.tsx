import { Button } from '../../../ui/button.tsx'
import { SelectField, TextField } from '../../../ui/field.tsx'
import { auditQuery, type EnteredAuditFilter, noAuditFilters } from './audit-query.ts'
import { operationWords } from './audit-words.ts'

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
  const isEmpty = Object.values(filters).every((text) => text === '')
  return (
    <search className="grid grid-cols-2 gap-3 sm:grid-cols-[12rem_9rem_minmax(0,1fr)_9rem_auto] sm:items-start">
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
      <Button
        className={`max-sm:col-span-2 sm:mt-5.5 ${isEmpty ? 'invisible max-sm:hidden' : ''}`}
        look="quiet"
        onClick={() => onChange(noAuditFilters)}
      >
        Clear
      </Button>
    </search>
  )
}
