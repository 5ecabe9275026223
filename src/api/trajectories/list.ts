import type { Readable } from 'node:stream'
import type { z } from 'zod'
import { jsonHeaders, Reply, rawJson } from '../../http/reply.ts'
import { textStream } from '../../http/text-stream.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { nearest } from '../../lib/text/nearest.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import { taskNameSchema } from '../../model/names.ts'
import type { Warning } from '../../model/warning.ts'
import {
  type ListedRuns,
  pageOfRuns,
  type RunCursor,
  type RunFilter,
  type RunOf,
  type RunView,
  rarestFirst,
  runsAfter,
} from '../../store/runs/run-lists.ts'
import { findListedTask } from '../../store/runs/runs.ts'
import { taskNames } from '../../store/tasks/tasks.ts'
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
      throw new AppError('not_found', `Task '${params.task}' in collection '${collection.name}' not found`)
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
  const query = { ...page, routine_id: routineId, status: [], label: [], view: 'full' as const }
  const { runs, tail } = await findPage(deps, taskId, query, 'full')
  return new Reply(streamList(documentsOf(deps, runs, memory), tail), jsonHeaders)
}

/** The runs of the page, and what the answer says beside them. */
const findPage = async <View extends RunView>(
  { database }: DocumentDeps,
  taskId: number,
  query: ListCall['query'],
  view: View,
) => {
  const { limit, page } = query
  const filter = { ...filterOf(query), labels: await rarestFirst(database, taskId, query.label) }
  const found: ListedRuns<RunOf[View]> & { total?: number } =
    query.cursor === undefined
      ? await pageOfRuns(database, taskId, filter, { limit, offset: (page - 1) * limit, view })
      : await runsAfter(database, taskId, filter, { limit, after: readCursor(query.cursor), view })
  const { runs, next, total } = found
  const more = total === undefined ? next !== undefined : page * limit < total
  const tail = JSON.stringify({ total, page, limit, has_more: more, next_cursor: next ? cursorText(next) : null })
  return { runs, tail }
}

/** What the query of a list says, but for labels: which of them leads is to be found out. */
export const filterOf = (
  query: Pick<ListCall['query'], 'status' | 'routine_id' | 'q' | 'created_after' | 'created_before'>,
): Omit<RunFilter, 'labels'> => ({
  statuses: [...new Set(query.status)],
  routineId: query.routine_id,
  text: query.q === '' ? undefined : query.q,
  createdAfterMs: query.created_after,
  createdBeforeMs: query.created_before,
})

export const cursorText = ({ createdMicros, number }: RunCursor): string => `${createdMicros}-${number}`

/** An empty one is the beginning. */
export const readCursor = (text: string): RunCursor | undefined => {
  if (text === '') return undefined
  const [, createdMicros, number] = /^(-?\d{1,17})-(\d{1,15})$/.exec(text) ?? []
  if (!createdMicros || !number) {
    throw invalidField(['query', 'cursor'], 'Expected the next_cursor of an earlier response, unchanged', 'cursor')
  }
  return { createdMicros, number: Number(number) }
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
