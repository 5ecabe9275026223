import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { isObject, parsedJson } from '../../../../src/lib/json/json-object.ts'
import type { Routine } from '../../../../src/model/routine.ts'
import type { RoutineFires } from '../../../../src/model/routine-fires.ts'
import { api } from '../../../data/api.ts'
import { useTitle } from '../../../data/browser.ts'
import { useNow } from '../../../data/clock.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { RunEstimate } from '../../../parts/estimate.tsx'
import { Confirm, FormDialog } from '../../../parts/form-dialog.tsx'
import { ListFrame } from '../../../parts/list-frame.tsx'
import { errorText, Problem } from '../../../parts/problem.tsx'
import { enteredVersion, VersionField } from '../../../parts/versions/version-field.tsx'
import { agoText, momentText } from '../../../text/times.ts'
import { Button } from '../../../ui/button.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { SelectField, TextArea, TextField } from '../../../ui/field.tsx'
import { Icon } from '../../../ui/icon.tsx'
import { Status } from '../../../ui/status.tsx'
import { showToast } from '../../../ui/toast.tsx'
import type { TaskPlaceProps } from '../use-task.ts'

type Cadence = Routine['cadence']

const clock = ({ hour_utc: hour, minute_utc: minute }: Cadence): string =>
  `${String(hour ?? 0).padStart(2, '0')}:${String(minute ?? 0).padStart(2, '0')} UTC`

const days: Record<string, string> = {
  ...{ mon: 'Monday', tue: 'Tuesday', wed: 'Wednesday', thu: 'Thursday' },
  ...{ fri: 'Friday', sat: 'Saturday', sun: 'Sunday' },
}

/** Says in words when a routine fires. `cronWords` puts a cron expression into words; without it the expression stands. */
export const cadenceWords = (cadence: Cadence, cronWords?: (expression: string) => string): string => {
  switch (cadence.type) {
    case 'hourly':
      return `Every hour at minute ${cadence.minute_utc ?? 0}`
    case 'daily':
      return `Every day at ${clock(cadence)}`
    case 'weekdays':
      return `Monday to Friday at ${clock(cadence)}`
    case 'weekly':
      return `Every ${days[cadence.day_of_week ?? ''] ?? 'week'} at ${clock(cadence)}`
    case 'cron': {
      const expression = cadence.expression ?? ''
      return `${cronWords?.(expression) ?? expression}, ${cadence.time_zone ?? 'UTC'}`
    }
    default:
      return 'Only by hand'
  }
}

/** When a routine is to run, as a person entered it. */
interface EnteredTimes {
  kind: Routine['cadence']['type']
  /** Such as `09:30`, in the person's time zone. */
  clock: string
  expression: string
}

const cronDays: Record<string, string> = { daily: '*', weekdays: 'mon-fri', weekly: 'mon' }

/**
 * The cadence for the entered times. A time of day becomes a cron expression in the person's time zone, so that it stays
 * the same on the clock when summer begins.
 */
export const enteredCadence = ({ kind, clock, expression }: EnteredTimes, zone: string): Routine['cadence'] => {
  if (kind === 'manual' || kind === 'hourly') return { type: kind }
  if (kind === 'cron') return { type: 'cron', expression: expression.trim(), time_zone: zone }
  const [hour = '0', minute = '0'] = clock.split(':')
  return { type: 'cron', expression: `${Number(minute)} ${Number(hour)} * * ${cronDays[kind] ?? '*'}`, time_zone: zone }
}

/** Query keys of the routines of a task, and of one of them. */
const routineKeys = (collection: string, task: string, name?: string) =>
  name === undefined ? ['routines', collection, task] : ['routines', collection, task, name]

const parts: Intl.DateTimeFormatOptions = {
  ...{ weekday: 'short', month: 'short', day: 'numeric' },
  ...{ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
}

/** The time zone in which a routine says when it fires. */
const zoneOf = ({ type, time_zone: zone }: Routine['cadence']): string => (type === 'cron' && zone) || 'UTC'

/** The time of a fire in the zone of its routine, so that it fits the words of the cadence. */
const fireTime = (moment: string, zone: string): string =>
  new Intl.DateTimeFormat('en-GB', { ...parts, timeZone: zone }).format(new Date(moment))

type Fire = RoutineFires['past'][number]

/** A reason as a sentence begins. */
const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** What became of the last fires of a routine. */
const PastFires = ({ place, fires, zone }: { place: TaskPlaceProps; fires: readonly Fire[]; zone: string }) => (
  <section>
    <h3 className="mb-1 font-medium text-12 text-muted">Before</h3>
    {fires.length === 0 && <p className="text-muted">It has not fired yet.</p>}
    <ul className="divide-y divide-line">
      {fires.map((fire) => (
        <li key={fire.time} className="flex items-baseline gap-4 py-1">
          <span className="w-36 shrink-0">{fireTime(fire.time, zone)}</span>
          <span className="min-w-0 flex-1">
            <Outcome fire={fire} />
          </span>
          {fire.trajectory_id && (
            <a
              className="text-accent"
              href={`/${encodeURIComponent(place.collection)}/${encodeURIComponent(place.task)}/${fire.trajectory_id}`}
            >
              {fire.trajectory_id}
            </a>
          )}
        </li>
      ))}
    </ul>
  </section>
)

const Outcome = ({ fire: { outcome, reason, status } }: { fire: Fire }) => {
  if (outcome === 'started')
    return status ? <Status of={status} /> : <span className="text-muted">Started; its run was deleted</span>
  if (outcome === 'waiting') return <Status of="waiting" />
  return (
    <span className="inline-flex gap-1.5">
      <Icon name="warning" className="mt-0.5 text-wait" />
      <span>
        {outcome === 'missed' ? 'Missed' : 'Skipped'}
        {reason && <span className="text-muted"> · {sentence(reason)}</span>}
      </span>
    </span>
  )
}

/** Cron expressions are put into words once the words are loaded. */
const useCronWords = () =>
  useQuery({
    queryKey: ['cron-words'],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async () => (await import('./cron-words.ts')).cronWords,
  }).data

/** A routine: when it fires next, what became of its last fires, and what can be done with it. */
const RoutineView = ({ routine }: { routine: Routine }) => {
  const { collection, task, name } = routine
  const params = { collection, task, name }
  const queries = useQueryClient()
  const navigate = useNavigate()
  const mayWrite = useMayWrite()
  const now = useNow()
  const cronWords = useCronWords()
  const zone = zoneOf(routine.cadence)
  const [isLeaving, setLeaving] = useState(false)
  const fires = useQuery({
    queryKey: [...routineKeys(collection, task, name), 'fires'],
    queryFn: ({ signal }) => api.getRoutineFires({ params, query: { next: 5, past: 20 }, signal }),
    // Asked again when the next fire is due.
    refetchInterval: ({ state }) => {
      const next = state.data?.next[0]
      return next ? Math.min(Math.max(2_000, Date.parse(next.time) - Date.now() + 2_000), 60_000) : false
    },
  })
  const changed = () => queries.invalidateQueries({ queryKey: routineKeys(collection, task) })
  const act = useMutation({
    mutationFn: (work: () => Promise<unknown>) => work(),
    onSuccess: changed,
    onError: (error) => showToast({ text: errorText(error), isBad: true }),
  })
  const runNow = async () => {
    const { trajectory_id } = await api.runRoutineNow({ params, query: { preflight: 'refuse' } })
    showToast({
      text: 'The run has been started',
      action: { text: 'Open it', run: () => void navigate({ href: `/${collection}/${task}/${trajectory_id}` }) },
    })
  }
  return (
    <section aria-label={`Routine ${name}`} className="flex flex-col gap-4">
      <header className="flex flex-wrap items-center gap-2">
        <h2 className="font-semibold text-15">{name}</h2>
        <span className="mr-auto text-muted">
          {cadenceWords(routine.cadence, cronWords)}
          {routine.version !== null && ` · at ${routine.version}`}
          {routine.paused && ' · paused'}
        </span>
        <Button icon="play" disabled={!mayWrite || act.isPending} onClick={() => act.mutate(runNow)}>
          Run now
        </Button>
        <Button
          disabled={!mayWrite || act.isPending}
          onClick={() =>
            act.mutate(() => (routine.paused ? api.resumeRoutine({ params }) : api.pauseRoutine({ params })))
          }
        >
          {routine.paused ? 'Resume' : 'Pause'}
        </Button>
        <Button icon="bin" look="quiet" disabled={!mayWrite} onClick={() => setLeaving(true)}>
          Delete
        </Button>
      </header>
      {Object.keys(routine.init_params_overrides).length > 0 && (
        <pre className="overflow-auto rounded-m bg-sunk p-3 font-mono text-12">
          {JSON.stringify(routine.init_params_overrides, null, 2)}
        </pre>
      )}
      {fires.error && <Problem error={fires.error} onRetry={() => void fires.refetch()} />}
      {fires.data && (
        <div className="grid gap-6 md:grid-cols-[16rem_1fr]">
          <section>
            <h3 className="mb-1 font-medium text-12 text-muted">Next, in {zone}</h3>
            {fires.data.next.length === 0 && (
              <p className="text-muted">
                {routine.paused
                  ? 'Paused: it starts nothing until it is resumed.'
                  : 'It has no times of its own: run it by hand.'}
              </p>
            )}
            <ul>
              {fires.data.next.map(({ time }) => (
                <li key={time} className="flex justify-between gap-4 py-0.5">
                  <span title={`Here: ${momentText(time)}`}>{fireTime(time, zone)}</span>
                  <span className="text-muted">{agoText(time, now)}</span>
                </li>
              ))}
            </ul>
          </section>
          <PastFires place={{ collection, task }} fires={fires.data.past} zone={zone} />
        </div>
      )}
      {isLeaving && (
        <Confirm
          title={`Delete the routine ${name}?`}
          action="Delete"
          cancel="Keep it"
          work={() => api.deleteRoutine({ params })}
          onDone={changed}
          onClose={() => setLeaving(false)}
        >
          <p>It starts no more runs. The runs that it started stay.</p>
        </Confirm>
      )}
    </section>
  )
}

interface NewRoutineProps {
  place: TaskPlaceProps
  onClose: () => void
  onMade: (name: string) => void
}

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone

/** Creates a routine. Times are those of this person: the server keeps them with the time zone. */
const NewRoutine = ({ place, onClose, onMade }: NewRoutineProps) => {
  const queries = useQueryClient()
  const [name, setName] = useState('')
  const [times, setTimes] = useState<EnteredTimes>({ kind: 'weekdays', clock: '09:00', expression: '0 9 * * mon-fri' })
  const [overrides, setOverrides] = useState('{}')
  const [overlap, setOverlap] = useState('skip')
  const [version, setVersion] = useState('')
  const params = parsedJson(overrides)
  const make = () =>
    api.createRoutine({
      params: place,
      body: {
        name,
        cadence: enteredCadence(times, zone),
        init_params_overrides: isObject(params) ? params : {},
        ...enteredVersion(version),
        overlap: overlap as 'skip' | 'queue' | 'allow',
      },
    })
  const set = (more: Partial<EnteredTimes>) => setTimes((were) => ({ ...were, ...more }))
  return (
    <FormDialog
      title={`New routine of ${place.task}`}
      action="Create"
      isReady={name.trim() !== '' && isObject(params)}
      extra={<RunEstimate place={place} version={version} />}
      work={make}
      onDone={() => queries.invalidateQueries({ queryKey: routineKeys(place.collection, place.task) })}
      next={(made) => onMade(made.name)}
      onClose={onClose}
    >
      <TextField label="Name" value={name} onChange={(event) => setName(event.target.value)} placeholder="morning" />
      <SelectField
        label="Runs"
        value={times.kind}
        onChange={(event) => set({ kind: event.target.value as EnteredTimes['kind'] })}
        options={[
          ['hourly', 'every hour'],
          ['daily', 'every day'],
          ['weekdays', 'Monday to Friday'],
          ['weekly', 'every Monday'],
          ['cron', 'by a cron expression'],
          ['manual', 'only by hand'],
        ]}
      />
      {['daily', 'weekdays', 'weekly'].includes(times.kind) && (
        <TextField
          label={`At (${zone})`}
          type="time"
          value={times.clock}
          onChange={(event) => set({ clock: event.target.value })}
        />
      )}
      {times.kind === 'cron' && (
        <TextField
          label="Expression"
          isCode
          value={times.expression}
          onChange={(event) => set({ expression: event.target.value })}
          hint={`Minute, hour, day of month, month, day of week; in ${zone}`}
        />
      )}
      <SelectField
        label="While a run of it is active"
        value={overlap}
        onChange={(event) => setOverlap(event.target.value)}
        options={[
          ['skip', 'skip the next one'],
          ['queue', 'let it wait'],
          ['allow', 'run both'],
        ]}
      />
      <VersionField
        place={place}
        value={version}
        onChange={setVersion}
        hint="A tag, which is followed when it moves, or a number of the history"
      />
      <TextArea
        label="Parameters that differ"
        isCode
        value={overrides}
        onChange={(event) => setOverrides(event.target.value)}
        error={isObject(params) ? undefined : 'Write a JSON object'}
      />
    </FormDialog>
  )
}

/** When a task runs by itself. */
const RoutinesTab = ({ collection, task }: TaskPlaceProps) => {
  useTitle('Routines', task, collection)
  const navigate = useNavigate()
  const mayWrite = useMayWrite()
  const [isNew, setNew] = useState(false)
  const asked = useSearch({ strict: false }).routine
  const list = useQuery({
    queryKey: routineKeys(collection, task),
    queryFn: ({ signal }) => api.listTaskRoutines({ params: { collection, task }, signal }),
  })
  const routines = list.data?.routines ?? []
  const choose = (routine: string) =>
    void navigate({
      to: '/$collection/$task',
      params: { collection, task },
      search: { tab: 'routines', routine },
      replace: true,
    })
  const chosen = routines.find(({ name }) => name === asked) ?? routines[0]
  return (
    <main data-scroll-restoration-id="page" className="min-h-0 flex-1 overflow-auto">
      <div className="mx-auto flex max-w-240 flex-col gap-4 px-4 py-6">
        <div className="flex flex-wrap items-center gap-2">
          <h1 className="mr-auto font-semibold text-20">Routines of {task}</h1>
          <Button icon="plus" disabled={!mayWrite} onClick={() => setNew(true)}>
            New routine
          </Button>
        </div>
        <ListFrame
          list={list}
          count={routines.length}
          empty={
            <Empty
              title="Nothing runs by itself yet"
              command={`jetty routines create ${collection}/${task}/morning --weekdays 09:00`}
            >
              A routine runs this task at set times, with parameters of its own.
            </Empty>
          }
        >
          {routines.length > 1 && (
            <nav aria-label="Routines" className="flex flex-wrap gap-2">
              {routines.map(({ name }) => (
                <Button
                  key={name}
                  look={name === chosen?.name ? 'plain' : 'quiet'}
                  aria-current={name === chosen?.name}
                  onClick={() => choose(name)}
                >
                  {name}
                </Button>
              ))}
            </nav>
          )}
          {chosen && <RoutineView key={chosen.name} routine={chosen} />}
        </ListFrame>
        {isNew && (
          <NewRoutine
            place={{ collection, task }}
            onClose={() => setNew(false)}
            onMade={(name) => {
              setNew(false)
              choose(name)
            }}
          />
        )}
      </div>
    </main>
  )
}

export default RoutinesTab
