import type { AnyCall } from '../../http/implement.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { isObject, type JsonObject, parsedObject } from '../../lib/json/json-object.ts'
import { jsonPointer } from '../../lib/json/json-pointer.ts'
import type { SchemaIssue } from '../../lib/json-schema/json-schema.ts'
import { makeSchemaChecker } from '../../lib/json-schema/schema-checker.ts'
import { uncheckedByChecker } from '../../lib/json-schema/schema-keywords.ts'
import { inSlices } from '../../lib/slices.ts'
import type { Queries } from '../../store/database/database.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import { newestItems } from '../../store/entities/write-entity.ts'
import { eachItem } from '../../store/items/items.ts'

const mostNamed = 20
/** What the items of one request may take together: about a million comparisons take a second. */
const comparisons = { ofAll: 5_000_000, ofEach: 1_000 }

interface CheckedItem {
  id: string
  data: JsonObject
}

/** Makes the check of items against the schema of a dataset; undefined without one. */
export const makeItemCheck = (schemaText: string | null, count: number) => {
  const schema = schemaText === null ? undefined : parsedObject(schemaText)
  if (!schema) return undefined
  const checker = makeSchemaChecker(schema, comparisons.ofAll + count * comparisons.ofEach)
  return async ({ id, data }: CheckedItem): Promise<SchemaIssue[]> => {
    const issues = await checker.issues(data)
    if (issues) return issues
    throw new AppError('too_large', `Item '${id}' takes too much work to be checked against the item_schema`, {
      hint: 'Make its lists and texts shorter, write fewer items at once, or make the item_schema simpler.',
    })
  }
}

/** Throws a 422 that points at what does not fit the schema of the dataset; names up to twenty places. */
export const requireSchema = async (
  schemaText: string | null,
  items: readonly CheckedItem[],
  loc: (at: number) => (string | number)[],
): Promise<void> => {
  const check = makeItemCheck(schemaText, items.length)
  if (!check) return
  const found: { loc: (string | number)[]; msg: string; type: string }[] = []
  for await (const [at, item] of inSlices(items.entries())) {
    for (const issue of await check(item)) {
      found.push({ loc: [...loc(at), ...issue.path], msg: sentence(item, issue), type: 'item_schema' })
    }
    if (found.length >= mostNamed) break
  }
  refuse(found)
}

const sentence = ({ id }: CheckedItem, { path, message }: SchemaIssue): string =>
  `Item '${id}': ${jsonPointer(path) || 'the data'} ${message}`

const refuse = (found: { loc: (string | number)[]; msg: string; type: string }[]): void => {
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
  const unchecked = uncheckedByChecker(schema)
  const wrong = unchecked.find(({ isWrong }) => isWrong)
  if (wrong) {
    const message = `'${wrong.keyword}' cannot be checked: ${wrong.why}`
    throw invalidField(['body', 'item_schema', ...wrong.inside], message, 'item_schema')
  }
  for (const { keyword, inside, why } of unchecked.slice(0, mostNamed)) {
    const field = ['item_schema', ...inside].join('.')
    const message = `'${keyword}' is not checked${why ? ` (${why})` : ''}: items that violate it are accepted`
    warn({ field, message, did_you_mean: null })
  }
}

/** Throws a 422 if items of a dataset do not fit a schema that it is about to get. */
export const requireItemsFit = async (queries: Queries, dataset: EntityRow, schemaText: string | null | undefined) => {
  if (!schemaText || schemaText === dataset.item_schema) return
  const check = makeItemCheck(schemaText, (await newestItems(queries, dataset))?.count ?? 0)
  if (!check) return
  for await (const { item_id: id, data } of eachItem(queries, { datasetId: dataset.id, seq: dataset.version })) {
    const item = { id, data: JSON.parse(data) as JsonObject }
    const issues = await check(item)
    refuse(
      issues.map((one) => ({
        loc: ['body', 'item_schema', ...one.path],
        msg: sentence(item, one),
        type: 'item_schema',
      })),
    )
  }
}
