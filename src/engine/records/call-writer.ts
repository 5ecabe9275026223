import { newTrajectoryId } from '../../lib/ids.ts'
import type { Logger } from '../../lib/log.ts'
import type { Queries } from '../../store/database/database.ts'
import { keepPayload } from '../../store/runs/payloads.ts'
import { taskForRecords } from '../../store/tasks/own-tasks.ts'
import { recordStatement } from './call-record-sql.ts'
import type { CallRow } from './call-row.ts'
import { type LineContent, payloadOf } from './log-line.ts'

/**
 * Writes lines of the call log, as their JSON, to Postgres, idempotently. A call whose task was deleted is recorded
 * under a new one of that name; one whose collection is gone is dropped.
 */
export type CallWriter = (lines: readonly LineContent[]) => Promise<void>

const plain = { name: 'record', text: recordStatement(false) }
const withMore = { name: 'record_with_more', text: recordStatement(true) }

const opening = Buffer.from('[')
const comma = Buffer.from(',')
const closing = Buffer.from(']')

const arrayOf = (lines: readonly Buffer[]): Buffer =>
  Buffer.concat([opening, ...lines.flatMap((line, at) => (at === 0 ? [line] : [comma, line])), closing])

/** Whether a call has files or labels. */
const hasMore = (line: Buffer): boolean => /^\{"(?:files|labels)"/.test(line.toString('latin1', 0, 9))

/** `own` is the connection for records; `queries` serves everything else. */
export const makeCallWriter = (options: {
  own: Pick<Queries, 'rows'>
  queries: Queries
  shard: number
  log: Logger
}): CallWriter => {
  const { own, queries, shard, log } = options

  const write: CallWriter = async (lines) => {
    const calls: Buffer[] = []
    for (const line of lines) {
      const large = payloadOf(line)
      if (large) await keepPayload(own, large.runKey, large.body, large.payload)
      else calls.push(line as Buffer)
    }
    if (calls.length === 0) return
    const { name, text } = calls.some(hasMore) ? withMore : plain
    const rows = await own.rows<{ id: string }>(name, text, [shard, arrayOf(calls)])
    if (rows.length === calls.length) return
    const written = new Set(rows.map(({ id }) => id))
    const sent = calls.map((line) => JSON.parse(line.toString()) as CallRow)
    for (const call of await absent(sent.filter(({ id }) => !written.has(id)))) await writeAgain(call)
  }

  /** Sent calls that are not stored. */
  const absent = async (calls: CallRow[]): Promise<CallRow[]> => {
    const keys = calls.map(({ id }) => id)
    const rows = await own.rows<{ id: string }>('recorded', 'select id from runs where id = any($1::text[])', [keys])
    const there = new Set(rows.map(({ id }) => id))
    return calls.filter(({ id }) => !there.has(id))
  }

  /** Either its task is gone, or its trajectory id is taken: ids are short, and one in millions clashes. */
  const writeAgain = async (call: CallRow): Promise<void> => {
    const again = (changed: Partial<CallRow>) => write([Buffer.from(JSON.stringify({ ...call, ...changed }))])
    const task = await taskForRecords(queries, {
      collectionId: call.collection_id,
      name: call.name.slice(call.name.indexOf('/') + 1),
      workflow: call.workflow,
    })
    if (!task) return
    if (task.id !== call.task_id) return again({ task_id: task.id })
    const trajectoryId = newTrajectoryId()
    log.warn({ run: call.trajectory_id, now: trajectoryId }, 'a call is recorded under another id: its own was taken')
    return again({ trajectory_id: trajectoryId })
  }

  return write
}
