import { timestamp, timestampOrNull } from '../../lib/time.ts'
import type { BulkAction } from '../../model/runs/bulk-action.ts'
import type { BulkActionRow } from '../../store/runs/bulk/bulk-actions.ts'

/** Converts an action for a list. */
export const listedAction = (row: BulkActionRow): Omit<BulkAction, 'errors'> => ({
  bulk_id: row.id,
  action: row.action,
  change: JSON.parse(row.change) as Record<string, unknown>,
  undo_of: row.undo_of,
  state: row.state,
  reason: row.reason,
  total: row.total,
  done: row.done,
  skipped: row.skipped,
  failed: row.failed,
  author: row.author,
  created: timestamp(row.created_at),
  ended: timestampOrNull(row.ended_at),
})

/** Converts an action with its errors. */
export const shownAction = (row: BulkActionRow, errors: BulkAction['errors']): BulkAction => ({
  ...listedAction(row),
  errors,
})
