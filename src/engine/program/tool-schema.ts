import { z } from 'zod'
import type { Activity } from '../../activities/activity.ts'
import { isObject } from '../../lib/json/json-object.ts'

type Schema = Record<string, unknown>

/** Notes of a parameter for forms and workflows, which no model needs. */
const ownNotes = new Set(['aliases', 'missing', 'input', 'language'])

const withoutNotes = (schema: unknown): unknown =>
  isObject(schema) ? Object.fromEntries(Object.entries(schema).filter(([key]) => !ownNotes.has(key))) : schema

const schemas = new WeakMap<Activity, Schema>()

const schemaOf = (activity: Activity): Schema => {
  const known = schemas.get(activity)
  if (known) return known
  const { properties, ...rest } = z.toJSONSchema(activity.parameters, { io: 'input', unrepresentable: 'any' })
  const entries = Object.entries(properties ?? {}).map(([name, one]) => [name, withoutNotes(one)])
  const schema = { ...rest, properties: Object.fromEntries(entries) }
  schemas.set(activity, schema)
  return schema
}

/** Parameters of an activity that a model may set at all: never a credential, and never further tools. */
export const settable = (activity: Activity): string[] =>
  Object.keys(activity.parameters.shape).filter(
    (name) => !activity.secret.includes(name) && !(activity.offersTools && name === 'tools'),
  )

/** JSON Schema of some parameters of an activity, as a model gets it. */
export const toolSchema = (activity: Activity, names: ReadonlySet<string>): Schema => {
  const { properties, required, $defs } = schemaOf(activity) as {
    properties: Schema
    required?: string[]
    $defs?: Schema
  }
  const needed = (required ?? []).filter((name) => names.has(name))
  return {
    type: 'object',
    properties: Object.fromEntries(Object.entries(properties).filter(([name]) => names.has(name))),
    ...(needed.length > 0 && { required: needed }),
    additionalProperties: false,
    ...($defs && { $defs }),
  }
}
