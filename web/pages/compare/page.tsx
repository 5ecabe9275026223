import { useQueries, useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { api } from '../../data/api.ts'
import { useTitle } from '../../data/browser.ts'
import type { RunAddress } from '../../data/run.ts'
import { runQuery } from '../../data/run-query.ts'
import { allOf } from '../../data/search-text.ts'
import { Problem } from '../../parts/problem.tsx'
import { statusOfRun } from '../../parts/status-of-run.ts'
import { agoText } from '../../text/times.ts'
import { Button } from '../../ui/button.tsx'
import { CopyLine } from '../../ui/copy.tsx'
import { Empty } from '../../ui/empty.tsx'
import { Checkbox, TextField } from '../../ui/field.tsx'
import { Icon } from '../../ui/icon.tsx'
import { Popover } from '../../ui/popover.tsx'
import { StatusMark, statusWord } from '../../ui/status.tsx'
import { ComparisonTable } from './comparison-table.tsx'
import { mostCompared, readRunName, runsOfAddress, writeRunName } from './run-names.ts'

/** Adds a run by its name or address, or from the newest of the task. */
const AddRun = ({ near, onAdd }: { near: RunAddress | undefined; onAdd: (place: RunAddress) => void }) => (
  <Popover
    className="inline-flex h-7 items-center gap-1 rounded-m border border-line px-2 hover:bg-sunk"
    button={
      <>
        <Icon name="plus" />
        Add a run
      </>
    }
    boxClass="w-90 p-3"
  >
    {(close) => (
      <AddForm
        near={near}
        onAdd={(place) => {
          close()
          onAdd(place)
        }}
      />
    )}
  </Popover>
)

const AddForm = ({ near, onAdd }: { near: RunAddress | undefined; onAdd: (place: RunAddress) => void }) => {
  const [text, setText] = useState('')
  const place = readRunName(text, near)
  const isElsewhere = place !== undefined && near !== undefined && place.collection !== near.collection
  const problem = isElsewhere ? 'Only runs of one collection can be compared.' : undefined
  return (
    <form
      className="flex flex-col gap-2"
      onSubmit={(event) => {
        event.preventDefault()
        if (place && !isElsewhere) onAdd(place)
      }}
    >
      <div className="flex items-end gap-2">
        <TextField
          label="Run"
          placeholder="id, collection/task/id or address"
          value={text}
          error={problem}
          onChange={(event) => setText(event.target.value)}
          boxClass="flex-1"
        />
        <Button type="submit" disabled={!place || isElsewhere}>
          Add
        </Button>
      </div>
      {near && <Newest near={near} onAdd={onAdd} />}
    </form>
  )
}

const Newest = ({ near, onAdd }: { near: RunAddress; onAdd: (place: RunAddress) => void }) => {
  const { collection, task } = near
  const { data } = useQuery({
    queryKey: ['newest', collection, task],
    queryFn: ({ signal }) =>
      api.listCollectionRuns({ params: { collection }, query: { task: [task], limit: 20 }, signal }),
  })
  return (
    <ul className="max-h-80 overflow-auto">
      {data?.runs
        .filter((run) => run.trajectory_id !== near.id)
        .map((run) => (
          <li key={run.trajectory_id}>
            <button
              type="button"
              onClick={() => onAdd({ collection, task, id: run.trajectory_id })}
              className="flex w-full items-center gap-2 rounded-s px-1 py-1 text-left hover:bg-sunk"
            >
              <StatusMark of={statusOfRun(run)} label={statusWord(run.status)} />
              <span className="min-w-0 flex-1 truncate font-mono text-12">{run.trajectory_id}</span>
              <span className="text-12 text-muted">{agoText(run.created, Date.now())}</span>
            </button>
          </li>
        ))}
    </ul>
  )
}

/** The runs, and how each but the first differs from the first. */
const useComparison = (places: readonly RunAddress[]) => {
  const [base, ...others] = places
  const runs = useQueries({ queries: places.map(runQuery) })
  const differences = useQueries({
    queries: others.map((other) => ({
      queryKey: ['diff', base && writeRunName(base), writeRunName(other)],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        api.diffTrajectories({
          params: { collection: base?.collection ?? '', task: base?.task ?? '', trajectory_id: base?.id ?? '' },
          query: { with: `${other.task}/${other.id}` },
          signal,
        }),
      enabled: base !== undefined && base.collection === other.collection,
    })),
  })
  return { runs, differences }
}

/** What is compared: the tasks of the runs, which are mostly one. */
const titleOf = (places: readonly RunAddress[]): string => {
  const tasks = [...new Set(places.map(({ collection, task }) => `${collection}/${task}`))]
  return tasks.length === 0 ? 'Compare' : `Compare runs of ${tasks.join(' and ')}`
}

/** Two to eight runs of a collection by step: what differs from the base. */
export const ComparePage = () => {
  const search = useSearch({ strict: false }) as Record<string, unknown>
  const navigate = useNavigate()
  const places = runsOfAddress(allOf(search.run))
  const [isOnlyDifferent, setOnlyDifferent] = useState(true)
  useTitle(titleOf(places))
  const set = (next: readonly RunAddress[]) =>
    void navigate({ to: '.', search: { run: next.map(writeRunName) } as never, replace: true })
  const { runs, differences } = useComparison(places)
  const error = [...runs, ...differences].find((one) => one.error)?.error
  const [base, other] = places
  return (
    <main className="flex min-h-0 flex-1 flex-col">
      <header className="flex flex-wrap items-center gap-3 px-4 py-2">
        <h1 className="min-w-0 truncate font-semibold text-15">{titleOf(places)}</h1>
        {places.length < mostCompared && <AddRun near={base} onAdd={(place) => set([...places, place])} />}
        <span className="flex-1" />
        <Checkbox
          label="differences only"
          checked={isOnlyDifferent}
          onChange={(event) => setOnlyDifferent(event.target.checked)}
        />
      </header>
      {error && <Problem error={error} />}
      {places.length < 2 && (
        <Empty title="Choose another run">
          {base ? `Add the run that ${base.id} is to be compared with.` : 'Add two runs of a collection.'} The name of a
          run is its address, or collection/task/id.
        </Empty>
      )}
      {places.length > 1 && (
        <div className="min-h-0 flex-1 overflow-auto px-4 pb-6">
          <ComparisonTable
            places={places}
            runs={runs.map(({ data }) => data)}
            differences={differences.map(({ data }) => data)}
            isOnlyDifferent={isOnlyDifferent}
            onBase={(place) => set([place, ...places.filter((one) => one !== place)])}
            onRemove={(place) => set(places.filter((one) => one !== place))}
          />
          {base && other && places.length === 2 && (
            <div className="mt-4 max-w-180">
              <CopyLine text={`jetty diff ${writeRunName(base)} ${writeRunName(other)}`} />
            </div>
          )}
        </div>
      )}
    </main>
  )
}
