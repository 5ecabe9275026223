import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { isObject, parsedJson } from '../../../../src/lib/json/json-object.ts'
import { api } from '../../../data/api.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { Dialog } from '../../../ui/dialog.tsx'
import { SelectField, TextArea, TextField } from '../../../ui/field.tsx'
import type { TaskPlaceProps } from '../place.ts'
import { type EnteredTimes, enteredCadence } from './cadence-of.ts'
import { routineKeys } from './routine-keys.ts'

interface NewRoutineProps {
  place: TaskPlaceProps
  onClose: () => void
  onMade: (name: string) => void
}

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone

/** Creates a routine. Times are those of this person: the server keeps them with the time zone. */
export const NewRoutine = ({ place, onClose, onMade }: NewRoutineProps) => {
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
