import type { Queries } from '../../database/database.ts'
import type { AnyCall } from '../../http/implement.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { isObject, type JsonObject, parsedObject } from '../../lib/json/json-object.ts'
import { jsonPointer } from '../../lib/json/json-pointer.ts'
import { schemaIssues } from '../../lib/json/json-schema.ts'
import { uncheckedKeywords } from '../../lib/json/unchecked-keywords.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import { eachItem } from '../../store/items/items.ts'

const mostNamed = 20

/** Throws a 422 that points at what does not fit the schema of the dataset; names up to twenty places. */
export const requireSchema = (
  schemaText: string | null,
  items: readonly { id: string; data: JsonObject }[],
  loc: (at: number) => (string | number)[],
): void => {
  const schema = schemaText === null ? undefined : parsedObject(schemaText)
  if (!schema) return
  const found: { loc: (string | number)[]; msg: string; type: string }[] = []
  for (const [at, { id, data }] of items.entries()) {
    for (const { path, message } of schemaIssues(schema, data)) {
      const msg = `Item '${id}': ${jsonPointer(path) || 'the data'} ${message}`
      found.push({ loc: [...loc(at), ...path], msg, type: 'item_schema' })
    }
    if (found.length >= mostNamed) break
  }
  const [first] = found
  if (!first) return
  const more = found.length > 1 ? ` (and ${found.length - 1} more)` : ''
  throw new AppError('invalid', `${first.msg}${more}`, {
    hint: "Correct the items; the dataset's item_schema says what they may be.",
    issues: found.slice(0, mostNamed),
  })
}

/** Throws a 422 where a value given as the schema of items cannot be one; warns of keywords that are not checked. */
export const requireUsableSchema = (schema: unknown, warn: AnyCall['warn']): void => {
  if (!isObject(schema)) return
  if (schema.type !== undefined && schema.type !== 'object') {
    throw invalidField(
      ['body', 'item_schema', 'type'],
      `Items are objects: expected {"type": "object", …}, but the type is ${JSON.stringify(schema.type)}`,
      'item_schema',
    )
  }
  for (const { keyword, inside } of uncheckedKeywords(schema).slice(0, mostNamed)) {
    const field = ['item_schema', ...inside].join('.')
    warn({ field, message: `'${keyword}' is not checked: items that violate it are accepted`, did_you_mean: null })
  }
}

/** Throws a 422 if items of a dataset do not fit a schema that it is about to get. */
export const requireItemsFit = async (queries: Queries, dataset: EntityRow, schemaText: string | null | undefined) => {
  if (!schemaText || schemaText === dataset.item_schema) return
  const loc = () => ['body', 'item_schema']
  for await (const row of eachItem(queries, { datasetId: dataset.id, seq: dataset.version })) {
    requireSchema(schemaText, [{ id: row.item_id, data: JSON.parse(row.data) as JsonObject }], loc)
  }
}
