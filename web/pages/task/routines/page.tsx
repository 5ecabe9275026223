import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { isObject, parsedJson } from '../../../../src/lib/json/json-object.ts'
import { api } from '../../../data/api.ts'
import { useTitle } from '../../../data/title.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { Dialog } from '../../../ui/dialog.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { SelectField, TextArea, TextField } from '../../../ui/field.tsx'
import type { TaskPlaceProps } from '../place.ts'
import { type EnteredTimes, enteredCadence } from './cadence-of.ts'
import { routineKeys } from './routine-keys.ts'
import { RoutineView } from './routine-view.tsx'

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
  const params = parsedJson(overrides)
  const make = useMutation({
    mutationFn: () =>
      api.createRoutine({
        params: place,
        body: {
          name,
          cadence: enteredCadence(times, zone),
          init_params_overrides: isObject(params) ? params : {},
          overlap: overlap as 'skip' | 'queue' | 'allow',
        },
      }),
    onSuccess: async (made) => {
      await queries.invalidateQueries({ queryKey: routineKeys(place.collection, place.task) })
      onMade(made.name)
    },
  })
  const set = (more: Partial<EnteredTimes>) => setTimes((were) => ({ ...were, ...more }))
  return (
    <Dialog
      title={`New routine of ${place.task}`}
      isOpen
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button
            look="main"
            disabled={name.trim() === '' || !isObject(params) || make.isPending}
            onClick={() => make.mutate()}
          >
            Create
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-4">
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
        <TextArea
          label="Parameters that differ"
          isCode
          value={overrides}
          onChange={(event) => setOverrides(event.target.value)}
          error={isObject(params) ? undefined : 'Write a JSON object'}
        />
        {make.error && <Problem error={make.error} />}
      </div>
    </Dialog>
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
  if (list.error && !list.data) return <Problem error={list.error} onRetry={() => void list.refetch()} />
  return (
    <main data-scroll-restoration-id="page" className="min-h-0 flex-1 overflow-auto">
      <div className="mx-auto flex max-w-240 flex-col gap-4 px-4 py-6">
        <div className="flex flex-wrap items-center gap-2">
          <h1 className="mr-auto font-semibold text-20">Routines of {task}</h1>
          <Button icon="plus" disabled={!mayWrite} onClick={() => setNew(true)}>
            New routine
          </Button>
        </div>
        {list.error && <Problem error={list.error} onRetry={() => void list.refetch()} />}
        {list.isSuccess && routines.length === 0 && (
          <Empty
            title="Nothing runs by itself yet"
            command={`jetty routines create ${collection}/${task}/morning --weekdays 09:00`}
          >
            A routine runs this task at set times, with parameters of its own.
          </Empty>
        )}
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
