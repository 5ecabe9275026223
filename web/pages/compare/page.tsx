import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import type { RunAddress } from '../../data/run.ts'
import { allOf } from '../../data/search-text.ts'
import { useTitle } from '../../data/title.ts'
import { Problem } from '../../parts/problem.tsx'
import { CopyLine } from '../../ui/copy.tsx'
import { Empty } from '../../ui/empty.tsx'
import { Checkbox } from '../../ui/field.tsx'
import { AddRun } from './add-run.tsx'
import { ComparisonTable } from './comparison-table.tsx'
import { useComparison } from './query.ts'
import { mostCompared, runsOfAddress, writeRunName } from './run-names.ts'

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
