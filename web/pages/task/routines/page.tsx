import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { api } from '../../../data/api.ts'
import { useTitle } from '../../../data/title.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { Empty } from '../../../ui/empty.tsx'
import type { TaskPlaceProps } from '../place.ts'
import { NewRoutine } from './new-routine.tsx'
import { routineKeys } from './routine-keys.ts'
import { RoutineView } from './routine-view.tsx'

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
