import type { Queries } from '../../database/database.ts'
import { newTrajectoryId } from '../../lib/ids.ts'
import type { Logger } from '../../lib/log.ts'
import type { RecordedCall } from '../../model/gateway/recorded-call.ts'
import { placeValue, requestPayload } from '../../store/runs/payloads.ts'
import { taskForRecords } from '../../store/tasks/own-tasks.ts'
import { batchSizes, type PlacedCall, recordStatement, recordValues } from './call-record-sql.ts'

export interface CallWriter {
  /** Number of waiting calls that go into one statement. */
  batchOf(waiting: number): number
  /**
   * Writes a batch, idempotently. A call whose task was deleted is recorded under a new one of that name; one whose
   * collection is gone is dropped.
   */
  write(calls: RecordedCall[]): Promise<void>
}

const statements = new Map<string, string>()
const statementOf = (calls: number, withFiles: boolean): { name: string; text: string } => {
  const name = `record_${calls}${withFiles ? '_with_files' : ''}`
  const text = statements.get(name) ?? recordStatement(calls, withFiles)
  statements.set(name, text)
  return { name, text }
}

/** `own` is the connection for records; `queries` serves everything else. */
export const makeCallWriter = (options: {
  own: Pick<Queries, 'rows'>
  queries: Queries
  shard: number
  log: Logger
}): CallWriter => {
  const { own, queries, shard, log } = options

  const place = async (call: RecordedCall): Promise<PlacedCall> => {
    const outputs = placeValue(own, call.key, call.step.outputs, `${call.key}-outputs`)
    const { text, payload } = call.initParams
    const initParams = payload === null ? placeValue(own, call.key, text, requestPayload(call.key)) : call.initParams
    return {
      call,
      initParams: initParams instanceof Promise ? await initParams : initParams,
      outputs: outputs instanceof Promise ? await outputs : outputs,
    }
  }

  const send = async (calls: RecordedCall[]): Promise<void> => {
    const placed = await Promise.all(calls.map(place))
    const { name, text } = statementOf(
      calls.length,
      calls.some(({ files }) => files.length > 0),
    )
    const rows = await own.rows<{ id: string }>(name, text, recordValues(placed, shard))
    if (rows.length === calls.length) return
    const written = new Set(rows.map(({ id }) => id))
    for (const call of await absent(calls.filter(({ key }) => !written.has(key)))) await sendAgain(call)
  }

  /** Sent calls that are not stored. */
  const absent = async (calls: RecordedCall[]): Promise<RecordedCall[]> => {
    const keys = calls.map(({ key }) => key)
    const rows = await own.rows<{ id: string }>('recorded', 'select id from runs where id = any($1::text[])', [keys])
    const there = new Set(rows.map(({ id }) => id))
    return calls.filter(({ key }) => !there.has(key))
  }

  /** Either its task is gone, or its trajectory id is taken: ids are short, and one in millions clashes. */
  const sendAgain = async (call: RecordedCall): Promise<void> => {
    const task = await taskForRecords(queries, {
      collectionId: call.collectionId,
      name: call.name.slice(call.name.indexOf('/') + 1),
      workflow: call.workflow,
    })
    if (!task) return
    if (task.id !== call.taskId) return send([{ ...call, taskId: task.id }])
    const trajectoryId = newTrajectoryId()
    log.warn({ run: call.trajectoryId, now: trajectoryId }, 'a call is recorded under another id: its own was taken')
    return send([{ ...call, trajectoryId }])
  }

  return {
    batchOf: (waiting) => batchSizes.find((size) => size <= waiting) ?? 1,
    write: send,
  }
}
