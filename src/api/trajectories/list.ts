import type { Readable } from 'node:stream'
import type { z } from 'zod'
import { jsonHeaders, Reply, rawJson, textStream } from '../../http/reply.ts'
import { invalidField } from '../../lib/errors.ts'
import { nearest } from '../../lib/text/nearest.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import { taskNameSchema } from '../../model/names.ts'
import type { runFilterFields } from '../../model/runs/run-filter.ts'
import type { RunSort } from '../../model/runs/run-lists.ts'
import type { Warning } from '../../model/warning.ts'
import { checksOf, makeParameters, noFilter, type RunFilter } from '../../store/runs/lists/run-filter.ts'
import type { RunCursor } from '../../store/runs/lists/run-order.ts'
import { rarestFirst } from '../../store/runs/lists/run-sources.ts'
import { type ListedRuns, pageOfRuns, type RunOf, type RunView, runsAfter } from '../../store/runs/run-lists.ts'
import { findListedTask } from '../../store/runs/runs.ts'
import { taskNames } from '../../store/tasks/tasks.ts'
import { missingTask } from '../tasks/missing-task.ts'
import type { trajectoriesContract } from './contract.ts'
import { type AnswerMemory, type DocumentDeps, documentsOf, summariesOf } from './documents.ts'

interface ListCall {
  memory: AnswerMemory
  collection: FoundCollection
  params: { task: string }
  query: z.output<typeof trajectoriesContract.listTrajectories.query>
  warn(warning: Warning): void
}

/** A client lists the runs of a task before it has sent in the first one, which makes the task. A typo looks the same. */
const noRunsYet = async ({ database }: DocumentDeps, { id, name }: FoundCollection, task: string): Promise<Warning> => {
  const meant = nearest(task, await taskNames(database, id)) ?? null
  const question = meant === null ? '' : `. Did you mean "${meant}"?`
  const message = `Collection '${name}' has no task '${task}' yet, and no run of it${question}`
  return { field: 'task', message, did_you_mean: meant }
}

/** The runs of a task: by page with their total, or by cursor. */
export const listTrajectories = async (
  deps: DocumentDeps,
  { collection, params, query, memory, warn }: ListCall,
): Promise<Reply> => {
  const taskId = await findListedTask(deps.database, collection.id, params.task)
  if (taskId === undefined) {
    if (!taskNameSchema.safeParse(params.task).success) {
      throw missingTask(params.task, collection.name)
    }
    warn(await noRunsYet(deps, collection, params.task))
    const { limit, page } = query
    return rawJson(JSON.stringify({ trajectories: [], total: 0, page, limit, has_more: false, next_cursor: null }))
  }
  if (query.view === 'full') {
    const { runs, tail } = await findPage(deps, taskId, query, 'full')
    return new Reply(streamList(documentsOf(deps, runs, memory), tail), jsonHeaders)
  }
  const { runs, tail } = await findPage(deps, taskId, query, 'summary')
  return new Reply(streamList(summariesOf(deps, runs), tail), jsonHeaders)
}

/** A page of the runs that a routine has started, newest first. */
export const runsOfRoutine = async (
  deps: DocumentDeps,
  { taskId, routineId }: { taskId: number; routineId: number },
  page: { limit: number; page: number },
  memory: AnswerMemory,
): Promise<Reply> => {
  const { runs, tail } = await readPage(deps, taskId, { ...noFilter, routineId }, { ...page, view: 'full' })
  return new Reply(streamList(documentsOf(deps, runs, memory), tail), jsonHeaders)
}

/** The runs of the page, and what the answer says beside them. */
const findPage = async <View extends RunView>(
  deps: DocumentDeps,
  taskId: number,
  query: ListCall['query'],
  view: View,
) => {
  const filter = {
    ...filterOf(query),
    labels: await rarestFirst(deps.database, taskId, query.label),
    labelsNot: query.label_not,
  }
  // Counting what passes checks would mean a look at every run.
  const isCounted = checksOf(makeParameters(), filter).length === 0
  const cursor = query.cursor ?? (isCounted ? undefined : '')
  return readPage(deps, taskId, filter, { limit: query.limit, page: query.page, cursor, view })
}

const readPage = async <View extends RunView>(
  { database }: DocumentDeps,
  taskId: number,
  filter: RunFilter,
  { limit, page, cursor, view }: { limit: number; page: number; cursor?: string | undefined; view: View },
) => {
  const found: ListedRuns<RunOf[View]> & { total?: number } =
    cursor === undefined
      ? await pageOfRuns(database, taskId, filter, { limit, offset: (page - 1) * limit, view })
      : await runsAfter(database, taskId, filter, { limit, after: readCursor(cursor), view })
  const { runs, next, total } = found
  const more = total === undefined ? next !== undefined : page * limit < total
  const tail = JSON.stringify({ total, page, limit, has_more: more, next_cursor: next ? cursorText(next) : null })
  return { runs, tail }
}

type FilterQuery = Omit<
  Pick<ListCall['query'], keyof typeof runFilterFields>,
  'label' | 'label_not' // the caller chooses the label that leads the search
>

/** The filter that the query of a list states, without labels. */
export const filterOf = (query: FilterQuery): Omit<RunFilter, 'labels' | 'labelsNot'> => ({
  statuses: [...new Set(query.status)],
  statusesNot: [...new Set(query.status_not)],
  topLevel: query.top_level,
  triggers: [...new Set(query.trigger)],
  authors: [...new Set(query.author)],
  version: query.version,
  routineId: query.routine_id,
  text: query.q === '' ? undefined : query.q,
  createdAfterMs: query.created_after,
  createdBeforeMs: query.created_before,
})

/** Writes a cursor for a list that is sorted so. One by time of creation has no prefix, as it always had. */
export const cursorText = ({ place, number }: RunCursor, sort: RunSort = 'created'): string =>
  `${sort === 'created' ? '' : `${sort}:`}${place}-${number}`

const cursorForms: Record<RunSort, RegExp> = {
  created: /^(-?\d{1,17})-(\d{1,15})$/,
  duration: /^duration:(\d{1,17})-(\d{1,15})$/,
  cost: /^cost:(\d{1,12}(?:\.\d{1,20})?(?:e[+-]\d{1,2})?)-(\d{1,15})$/,
}

/** Reads a cursor of a list that is sorted so; an empty one is the beginning. */
export const readCursor = (text: string, sort: RunSort = 'created'): RunCursor | undefined => {
  if (text === '') return undefined
  const [, place, number] = cursorForms[sort].exec(text) ?? []
  if (!place || !number) {
    const expected = 'Expected the next_cursor of an earlier response to the same list, unchanged'
    throw invalidField(['query', 'cursor'], expected, 'cursor')
  }
  return { place, number: Number(number) }
}

/** Generates `{"trajectories":[…], …}` while the documents are read from storage. */
async function* listed(documents: AsyncIterable<string>, tail: string): AsyncGenerator<string> {
  let before = '{"trajectories":['
  for await (const document of documents) {
    yield before + document
    before = ','
  }
  yield `${before === ',' ? '' : before}],${tail.slice(1)}`
}

const streamList = (documents: AsyncIterable<string>, tail: string): Readable => textStream(listed(documents, tail))
