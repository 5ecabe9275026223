import type { Queries } from '../database/database.ts'
import { type EntitiesAt, type EntityRow, entityJoin } from './entities.ts'

/** What a search shows of an entity. */
export type FoundEntity = Pick<
  EntityRow,
  'kind' | 'name' | 'collection_name' | 'is_private' | 'long_description' | 'metadata'
>

/** Larger metadata is left out of hits: a hundred of them are read at once. */
const largestFoundMetadata = 1024 * 1024
/** Rows that are ranked of each place and kind of match: a common word must not read them all. */
const mostRanked = 500

/** A LIKE pattern with `%`, `_` and `\` escaped. */
const escaped = (text: string): string => text.replace(/[\\%_]/g, '\\$&')

/** Whether the index by trigrams can find a text: it knows words by three letters or digits in a row. */
const hasTrigram = (text: string): boolean => /[\p{L}\p{N}]{3}/u.test(text)

const inName = 'e.name ilike $2'
const inText = ['e.long_description ilike $2', 'left(e.metadata, 100000) ilike $2']
/** A full name, such as `dataset/acme/jobs`: what stands before the entity's name is looked for in its collection. */
const inFullName = `($1 || '/' || c.name ilike $2 or ($1 || '/' || c.name || '/' ilike $4::text and e.name ilike $5))`

/** Selects entities that match by a condition on `e` alone: public ones, and those of the caller's collections. */
const matching = (condition: string, rank: number, isForAll: boolean): string[] => [
  `(select e.id, ${rank} as rank from entities e where e.kind = $1 and not e.is_private and ${condition} limit ${mostRanked})`,
  isForAll
    ? `(select e.id, ${rank} from entities e where e.kind = $1 and e.is_private and ${condition} limit ${mostRanked})`
    : `(select found.id, ${rank} from unnest($6::bigint[]) own(id) cross join lateral (
         select e.id from entities e
         where e.collection_id = own.id and e.kind = $1 and e.is_private and ${condition} limit ${mostRanked}) found)`,
]

/** Selects entities that match by their full names. */
const matchingFullName = (isForAll: boolean): string[] =>
  ['not e.is_private', isForAll ? 'e.is_private' : 'e.is_private and c.id = any($6::bigint[])'].map(
    (where) => `(select e.id, 0 as rank from collections c join entities e on e.collection_id = c.id
      where ${inFullName} and e.kind = $1 and ${where} limit ${mostRanked})`,
  )

const searchText = (isForAll: boolean, isInText: boolean): string => `
  select e.kind, e.name, c.name as collection_name, e.is_private, left(e.long_description, 10000) as long_description,
    case when octet_length(e.metadata) <= ${largestFoundMetadata} then e.metadata end as metadata
  from (
    select id, min(rank) as rank from (${[
      ...matchingFullName(isForAll),
      ...matching(inName, 0, isForAll),
      ...(isInText ? inText.flatMap((condition, at) => matching(condition, at + 1, isForAll)) : []),
    ].join(' union all ')}) matched
    group by id order by min(rank), id limit $3) ranked
  join entities e on e.id = ranked.id ${entityJoin} order by ranked.rank, e.id`

/**
 * Searches for a text in names, full names such as `dataset/acme/jobs`, descriptions, and the first 100,000 characters
 * of metadata. A text without three letters or digits in a row is searched in names only. Finds public entities, and
 * those of the given collections; undefined means all.
 */
export const searchEntities = (
  queries: Queries,
  { kind, collectionIds }: EntitiesAt,
  { text, limit }: { text: string; limit: number },
): Promise<FoundEntity[]> => {
  const slash = text.lastIndexOf('/') + 1
  const isForAll = collectionIds === undefined
  const isInText = hasTrigram(text)
  return queries.rows<FoundEntity>(
    `search_entities${isForAll ? '' : '_of'}${isInText ? '' : '_by_name'}`,
    searchText(isForAll, isInText),
    [
      ...[kind, `%${escaped(text)}%`, limit],
      ...[slash === 0 ? null : `%${escaped(text.slice(0, slash))}`, `${escaped(text.slice(slash))}%`],
      ...(isForAll ? [] : [collectionIds]),
    ],
  )
}
