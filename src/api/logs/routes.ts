import type { z } from 'zod'
import { implement, type Route } from '../../http/implement.ts'
import { bytes } from '../../http/reply.ts'
import { textStream } from '../../http/text-stream.ts'
import { AppError } from '../../lib/errors.ts'
import { coveredIds } from '../../model/collections/identity.ts'
import type { LogEvent } from '../../model/runs/run-events.ts'
import { findRunByWorkflowId, type RunRow } from '../../store/runs/runs.ts'
import { stepEventsAfter } from '../../store/runs/step-events.ts'
import { allSteps } from '../../store/runs/step-records.ts'
import { attemptsOf } from '../../store/webhooks.ts'
import { agentLogEvent } from '../trajectories/agent-events.ts'
import type { DocumentDeps } from '../trajectories/documents.ts'
import { logEvents } from '../trajectories/log-events.ts'
import { waitingOf } from '../trajectories/waiting.ts'
import { deliveryEvents } from '../webhooks/log-events.ts'
import { logsContract } from './contract.ts'
import { type EventFilter, matcherOf } from './filter.ts'
import { type LogReading, locatedEvents } from './located-events.ts'
import { textLines } from './log-lines.ts'
import { positionText, readPosition } from './position.ts'

type Query = z.output<typeof logsContract.getWorkflowLogs.query>
interface LogPage {
  events: LogEvent[]
  next_cursor: string | null
}

export const logsRoutes = (deps: DocumentDeps): Route[] =>
  implement(logsContract, {
    getWorkflowLogs: async ({ params, query, identity }) => {
      const run = await findRunByWorkflowId(deps.database, params.workflow_id, coveredIds(identity))
      if (!run) throw new AppError('not_found', `Workflow '${params.workflow_id}' not found`)
      if (query.format === 'text') {
        const lines = textLines(await readingOf(deps, run, { ...query, cursor: undefined }))
        return bytes(textStream(lines), {
          'content-type': 'text/plain; charset=utf-8',
          'content-disposition': `attachment; filename="${encodeURIComponent(run.trajectory_id)}.log"`,
          'cache-control': 'no-store',
        })
      }
      const page = isInParts(query) ? await partOf(deps, run, query) : await wholeLog(deps, run, query)
      return {
        workflow_id: run.workflow_id,
        trajectory_id: run.trajectory_id,
        status: run.status,
        waiting: waitingOf(run),
        ...page,
      }
    },
  })

const isInParts = ({ order, step, attempt, type, q, cursor }: Query): boolean =>
  order !== undefined ||
  step !== undefined ||
  attempt !== undefined ||
  type.length > 0 ||
  !!q ||
  !!cursor?.includes('.')

const filterOf = ({ level, after, step, attempt, type, q }: Query): EventFilter => ({
  level,
  after,
  step,
  attempt,
  types: type,
  text: q,
})

const readingOf = async ({ database, definitions }: DocumentDeps, run: RunRow, query: Query): Promise<LogReading> => ({
  database,
  run,
  definition: await definitions(run.definition),
  filter: filterOf(query),
  order: query.order ?? 'asc',
  from: query.cursor === undefined ? undefined : readPosition(query.cursor),
})

/** Maximum characters read for one response, events that do not match included. */
const mostRead = 4 * 1024 * 1024

/** A part of the log: as many matching events as asked for, or as are found within what one response may read. */
const partOf = async (deps: DocumentDeps, run: RunRow, query: Query): Promise<LogPage> => {
  const matches = matcherOf(filterOf(query))
  const events: LogEvent[] = []
  let read = 0
  for await (const { at, event, attempt, cost } of locatedEvents(await readingOf(deps, run, query))) {
    if (event && matches(event, attempt)) events.push(event)
    read += cost
    if (events.length >= query.limit || read >= mostRead) return { events, next_cursor: positionText(at) }
  }
  return { events, next_cursor: null }
}

/** The log as clients without paging expect it: everything but later agent events is on the first page. */
const wholeLog = async (deps: DocumentDeps, run: RunRow, query: Query): Promise<LogPage> => {
  const { database } = deps
  const definition = await deps.definitions(run.definition)
  const range = { runKey: run.id, after: Number(query.cursor ?? 0), until: Number.MAX_SAFE_INTEGER, limit: query.limit }
  const told = definition.hasEvents ? await stepEventsAfter(database, range) : { events: [], complete: true }
  const whole = async () => {
    const [steps, attempts] = await Promise.all([
      allSteps(database, run.id, { view: 'summary' }),
      run.webhook_url ? attemptsOf(database, run.id) : [],
    ])
    return [...logEvents(run, steps, definition, told.events), ...deliveryEvents(attempts)]
  }
  const events = query.cursor === undefined ? await whole() : told.events.map((row) => agentLogEvent(row, definition))
  return {
    events: events.filter(matcherOf(filterOf(query))),
    next_cursor: told.complete ? null : String(told.events.at(-1)?.changed),
  }
}
