import { changesOf } from '../../http/audit.ts'
import type { AnyCall } from '../../http/implement.ts'
import type { EntityRow } from '../../store/entities/entities.ts'

/** Describes a change of an entity in the audit trail: the given fields, and its current name. */
export const auditEntity = (call: Pick<AnyCall, 'note'>, row: EntityRow, body: object): void =>
  call.note({ target: `${row.collection_name}/${row.name}`, changes: { ...changesOf(body), name: row.name } })
