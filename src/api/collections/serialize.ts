import type { Sealer } from '../../lib/secrets/crypto.ts'
import { timestamp } from '../../lib/time.ts'
import { agentSchema, type CollectionAgent } from '../../model/collections/agent.ts'
import { type Collection, type CollectionPauses, collectionSchema } from '../../model/collections/collection.ts'
import { mask } from '../../model/collections/environment.ts'
import type { AgentRow } from '../../store/agents.ts'
import { type CollectionRow, openStorageInfo } from '../../store/collections/collections.ts'
import type { PausedBy, StoredPause, StoredPauses } from '../../store/collections/pauses.ts'
import { serializeRow } from '../serialize-row.ts'

export const shownCollection = (row: CollectionRow): Collection =>
  serializeRow(collectionSchema, row, { auth_org_id: null })

export const shownPauses = (stored: StoredPauses): CollectionPauses => {
  const pauses = (Object.entries(stored) as [PausedBy, StoredPause][]).map(([by, { author, reason, at }]) => ({
    ...{ by, author, reason },
    at: timestamp(new Date(at)),
  }))
  return { paused: pauses.length > 0, pauses }
}

export const shownAgent = (row: AgentRow): CollectionAgent => serializeRow(agentSchema, row, {})

const credentialName = /secret|passw|token|credential|private|api_?key|access_?key|account_?key|connection_?string|sas/i
/** A key file as text, such as the JSON of a service account. */
const holdsKey = /PRIVATE KEY-----|"private_key"/

const withoutCredentials = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withoutCredentials)
  if (typeof value === 'string') return holdsKey.test(value) ? mask : value
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      credentialName.test(name) && inner !== null ? mask : withoutCredentials(inner),
    ]),
  )
}

/** Finds the mask that replaces credentials in answers: stored, it would overwrite them. */
export const maskedPlace = (value: unknown, at: (string | number)[] = []): (string | number)[] | undefined => {
  if (value === mask) return at
  if (typeof value !== 'object' || value === null) return undefined
  for (const [name, inner] of Object.entries(value)) {
    const found = maskedPlace(inner, [...at, Array.isArray(value) ? Number(name) : name])
    if (found) return found
  }
  return undefined
}

/** Storage configuration for display: members named like credentials are masked. */
export const shownStorageInfo = (sealer: Sealer, row: CollectionRow): Record<string, unknown> | null => {
  const text = openStorageInfo(sealer, row)
  return text === null ? null : (withoutCredentials(JSON.parse(text)) as Record<string, unknown>)
}

export const shownStorage = (sealer: Sealer, row: CollectionRow) => ({
  ...shownCollection(row),
  storage_info: shownStorageInfo(sealer, row),
  storage_provider: row.storage_provider,
})
