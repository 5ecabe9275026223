import { useInfiniteQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { api } from '../../../data/api.ts'
import { useTitle } from '../../../data/title.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { whileAnyOpen } from '../batches/batch-queries.ts'
import type { TaskPlaceProps } from '../place.ts'
import { EvaluationList } from './evaluation-list.tsx'
import { evaluationQueries } from './evaluation-queries.ts'
import { EvaluationView } from './evaluation-view.tsx'
import { NewEvaluation } from './new-evaluation.tsx'

const pageSize = 20

/** How good the outputs of a task are, as judges find. */
const EvaluationsTab = (place: TaskPlaceProps) => {
  const { collection, task } = place
  useTitle('Evaluations', task, collection)
  const navigate = useNavigate()
  const mayWrite = useMayWrite()
  const [isNew, setNew] = useState(false)
  const asked = useSearch({ strict: false }).evaluation
  const list = useInfiniteQuery({
    queryKey: evaluationQueries.all(place),
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) =>
      api.listEvaluations({
        params: { collection },
        query: { task, limit: pageSize, ...(pageParam === '' ? {} : { cursor: pageParam }) },
        signal,
      }),
    getNextPageParam: ({ next_cursor: next }) => next,
    refetchInterval: ({ state }) => whileAnyOpen(state.data?.pages.flatMap((page) => page.evaluations) ?? []),
  })
  const evaluations = list.data?.pages.flatMap((page) => page.evaluations) ?? []
  const chosen = asked ?? evaluations[0]?.evaluation_id
  const choose = (evaluation: string) =>
    void navigate({
      to: '/$collection/$task',
      params: place,
      search: { tab: 'evaluations', evaluation },
      replace: true,
    })
  if (list.error && !list.data) return <Problem error={list.error} onRetry={() => void list.refetch()} />
  return (
    <main className="min-h-0 flex-1 overflow-auto">
      <div className="mx-auto flex max-w-240 flex-col gap-4 px-4 py-6">
        <div className="flex flex-wrap items-center gap-2">
          <h1 className="mr-auto font-semibold text-20">Evaluations of {task}</h1>
          <Button icon="plus" disabled={!mayWrite} onClick={() => setNew(true)}>
            New evaluation
          </Button>
        </div>
        {list.isSuccess && evaluations.length === 0 && asked === undefined && (
          <Empty title="No evaluation yet" command={`jetty eval ${collection}/${task} rows.jsonl --judges judges.json`}>
            An evaluation runs this task once for each row of a table, and lets judges score every output.
          </Empty>
        )}
        {chosen !== undefined && <EvaluationView key={chosen} place={place} id={chosen} mayWrite={mayWrite} />}
        {evaluations.length > 0 && (
          <EvaluationList
            evaluations={evaluations}
            chosen={chosen}
            onChoose={choose}
            onMore={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
          />
        )}
        {isNew && (
          <NewEvaluation
            place={place}
            earlier={evaluations.filter(({ status }) => status === 'completed')}
            onClose={() => setNew(false)}
            onStarted={(id) => {
              setNew(false)
              void list.refetch()
              choose(id)
            }}
          />
        )}
      </div>
    </main>
  )
}

export default EvaluationsTab
