import { useInfiniteQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { ShownAuditEntry } from '../../../../src/model/collections/audit.ts'
import { api } from '../../../data/api.ts'
import { paged } from '../../../data/paged.ts'
import { ListFrame } from '../../../parts/list-frame.tsx'
import { momentText } from '../../../text/times.ts'
import { Badge } from '../../../ui/badge.tsx'
import { Button } from '../../../ui/button.tsx'
import { SelectField, TextField } from '../../../ui/field.tsx'
import { type CollectionPlace, CommandLines, SettingsHeading } from '../frame.tsx'

const verbs: Readonly<Record<string, string>> = {
  signIn: 'Signed in',
  signOut: 'Signed out',
  endSession: 'Ended a session',
  endSessions: 'Ended sessions',
  createSignInLink: 'Made a sign-in link',
  setEnvironment: 'Changed variables',
  updateCollectionSettings: 'Changed settings',
  setCollectionStorage: 'Changed where files are stored',
  setCollectionOwner: 'Changed the owner',
  activateTrial: 'Began the trial',
  decideApproval: 'Decided an approval',
  discardEvent: 'Discarded an event',
  rotateSecretKey: 'Changed the encryption key',
}
const firstWords: Readonly<Record<string, string>> = {
  create: 'Created',
  update: 'Changed',
  delete: 'Deleted',
  set: 'Set',
  pause: 'Paused',
  resume: 'Resumed',
  cancel: 'Cancelled',
  start: 'Started',
  run: 'Ran',
}

/** What an operation did, in words: `createTask` is "Created task"; an unknown one stays as it is called. */
export const operationWords = (operation: string): string => {
  const known = Object.hasOwn(verbs, operation) ? verbs[operation] : undefined
  if (known !== undefined) return known
  const [first = '', ...rest] = operation.split(/(?=[A-Z])/)
  const verb = Object.hasOwn(firstWords, first) ? firstWords[first] : undefined
  return verb === undefined ? operation : [verb, ...rest.map((word) => word.toLowerCase())].join(' ')
}

/** Who did it, as one text. */
export const actorText = ({ kind, name, key_prefix: prefix }: ShownAuditEntry['actor']): string =>
  kind === 'admin' ? 'admin' : `${name ?? 'a key'} (${prefix ?? '–'}…)`

const valueText = (value: unknown): string => {
  if (Array.isArray(value)) return value.map(valueText).join(', ')
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
}

/** What was changed, as `name: value` texts; empty lists are left out. */
export const changeTexts = (changes: ShownAuditEntry['changes']): string[] =>
  Object.entries(changes)
    .filter(([, value]) => !Array.isArray(value) || value.length > 0)
    .map(([name, value]) => `${name}: ${valueText(value)}`)

/** Filters of an audit trail as somebody enters them. */
interface EnteredAuditFilter {
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

const AuditFilters = ({ filters, onChange }: AuditFiltersProps) => {
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

const outcomes = { begun: 'Begun: nobody noted how it ended', failed: 'Failed', done: undefined } as const

/** One change: when, who, what, and how it ended where that is not well. */
const AuditLine = ({ entry, hasCollection }: { entry: ShownAuditEntry; hasCollection: boolean }) => {
  const { at, actor, operation, target, changes, outcome, collection } = entry
  const bad = outcomes[outcome]
  return (
    <li className="flex flex-wrap items-baseline gap-x-4 gap-y-0.5 py-2">
      <time dateTime={at} className="w-34 shrink-0 text-12 text-muted tabular-nums">
        {momentText(at)}
      </time>
      <span className="w-44 truncate" title={actorText(actor)}>
        {actorText(actor)}
      </span>
      <div className="min-w-60 flex-1">
        <p className="flex flex-wrap items-center gap-x-2">
          <span title={operation}>{operationWords(operation)}</span>
          <span className="break-all font-mono text-12">{target}</span>
          {hasCollection && collection && <Badge>{collection}</Badge>}
          {bad && <span className="text-bad">{bad}</span>}
        </p>
        <p className="break-words text-12 text-muted">{changeTexts(changes).join(' · ')}</p>
      </div>
    </li>
  )
}

const pageSize = 50

/** The entries of an audit trail: of a collection, or of the whole server. */
const AuditList = ({ collection }: { collection: string | undefined }) => {
  const [filters, setFilters] = useState(noAuditFilters)
  const query = auditQuery(filters)
  const list = useInfiniteQuery({
    queryKey: ['audit', collection ?? '', query],
    ...paged((page, signal) => {
      const asked = { ...query, limit: pageSize, ...page }
      return collection === undefined
        ? api.listServerAudit({ query: asked, signal })
        : api.listAudit({ params: { collection }, query: asked, signal })
    }),
  })
  const entries = list.data?.pages.flatMap((page) => page.entries) ?? []
  const lookedUntil = list.data?.pages.at(-1)?.looked_until
  return (
    <>
      <AuditFilters filters={filters} onChange={setFilters} />
      <ListFrame
        list={list}
        count={entries.length}
        more="Go on"
        beside={lookedUntil && `looked back to ${momentText(lookedUntil)}`}
        empty={
          <p className="text-muted">
            {list.hasNextPage ? 'Nothing among the newest entries fits.' : 'Nothing fits, or nothing was changed yet.'}
          </p>
        }
      >
        <ul aria-label="Changes" className="divide-y divide-line border-line border-y">
          {entries.map((entry) => (
            <AuditLine key={entry.id} entry={entry} hasCollection={collection === undefined} />
          ))}
        </ul>
      </ListFrame>
    </>
  )
}

/** Who changed what in a collection. */
const AuditPage = ({ collection }: CollectionPlace) => (
  <>
    <SettingsHeading title={`Audit of ${collection}`}>
      Who changed what, newest first: tasks, keys, variables, settings, sessions. Values of secrets are left out. Runs
      are not listed here; each of them names who started it.
    </SettingsHeading>
    <AuditList collection={collection} />
    <CommandLines lines={[`jetty api listAudit collection=${collection} operation=setEnvironment`]} />
  </>
)

/** Who changed what on this server, deleted collections included. */
export const ServerAuditPage = () => (
  <>
    <SettingsHeading title="Audit of the server">
      Every change in every collection, newest first, also in those that were deleted since. A change of several
      collections has an entry for each.
    </SettingsHeading>
    <AuditList collection={undefined} />
    <CommandLines lines={['jetty api listServerAudit limit=50']} />
  </>
)

export default AuditPage
