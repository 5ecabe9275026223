import type { z } from 'zod'
import { timestamp } from '../lib/time.ts'

/** What a value of a row is in an answer. */
type Serialized<Value> = Value extends Date ? string : Value

/** Names of an answer whose values a row has. */
type Taken<Answer, Row> = {
  [Name in keyof Answer & keyof Row]: Serialized<Row[Name]> extends Answer[Name] ? Name : never
}[keyof Answer & keyof Row]

/**
 * The answer that a schema declares, made of a row: members of the same name as they are, moments as timestamps, and the others
 * from `more`. A column that the schema does not name is not shown.
 */
export const serializeRow = <Shape extends z.ZodRawShape, Row extends object>(
  schema: z.ZodObject<Shape>,
  row: Row,
  more: Omit<z.output<z.ZodObject<Shape>>, Taken<z.output<z.ZodObject<Shape>>, Row>>,
): z.output<z.ZodObject<Shape>> => {
  const values = { ...row, ...more } as Record<string, unknown>
  const serialized = Object.keys(schema.shape).map((name) => {
    const value = values[name]
    return [name, value instanceof Date ? timestamp(value) : value]
  })
  return Object.fromEntries(serialized)
}
