import { parsedObject } from '../../lib/json/json-object.ts'
import type { FoundEntity } from '../../store/entities/search-entities.ts'

/** Top-level scalars of metadata, with `@` in names written as `__`, as search clients expect them. */
const scalarsOf = (text: string | null): Record<string, unknown> | null => {
  const metadata = text === null ? undefined : parsedObject(text)
  if (!metadata) return null
  return Object.fromEntries(
    Object.entries(metadata)
      .filter(([, value]) => typeof value !== 'object' || value === null)
      .map(([name, value]) => [name.replaceAll('@', '__'), value]),
  )
}

/** An entity as a hit of a search. */
export const entityHit = (row: FoundEntity) => ({
  document: {
    collection_name: row.collection_name,
    entity_name: row.name,
    full_name: `${row.kind}/${row.collection_name}/${row.name}`,
    entity_type: row.kind,
    metadata: scalarsOf(row.metadata),
    is_private: row.is_private,
    description: row.long_description,
  },
})
