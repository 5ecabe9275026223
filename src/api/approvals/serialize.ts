import { timestamp, timestampOrNull } from '../../lib/time.ts'
import {
  type DecidedApproval,
  type ListedApproval,
  type ShownApproval,
  waitingApprovalSchema,
} from '../../model/runs/approval.ts'
import type { ApprovalRow } from '../../model/runs/decision.ts'
import type { ApprovalOfRun } from '../../store/runs/approvals.ts'
import type { RunRow } from '../../store/runs/runs.ts'
import { serializeRow } from '../serialize-row.ts'

const taskOf = (name: string): string => name.slice(name.indexOf('/') + 1)

/** The decision of an approval; undefined while the step waits. */
export const decidedApproval = (run: RunRow, row: ApprovalRow): DecidedApproval | undefined =>
  row.decision && row.decided_at
    ? {
        trajectory_id: run.trajectory_id,
        task: taskOf(run.name),
        step: row.step,
        decision: row.decision,
        comment: row.comment,
        decided_by: row.decided_by,
        decided_at: timestamp(row.decided_at),
      }
    : undefined

/** Converts an approval for the list of a collection. */
export const waitingApproval = (row: ApprovalOfRun, publicUrl: string): ShownApproval =>
  serializeRow(waitingApprovalSchema, row, {
    task: taskOf(row.name),
    assignees: JSON.parse(row.assignees) as string[],
    metadata: JSON.parse(row.metadata) as Record<string, unknown>,
    default_decision: row.by_default,
    url: `${publicUrl}/${row.name}/${row.trajectory_id}`,
  })

/** Converts an approval for the list over all collections. */
export const listedApproval = (row: ApprovalOfRun, publicUrl: string): ListedApproval => ({
  ...waitingApproval(row, publicUrl),
  collection: row.name.slice(0, row.name.indexOf('/')),
  state: row.decision === null ? 'waiting' : 'decided',
  decision: row.decision,
  comment: row.comment,
  decided_by: row.decided_by,
  decided_at: timestampOrNull(row.decided_at),
})
