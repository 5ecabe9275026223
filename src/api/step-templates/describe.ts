import { z } from 'zod'
import type { Activity } from '../../activities/activity.ts'
import type { StepTemplate } from '../../model/workflows/step-template.ts'

interface Property {
  type?: string | string[]
  description?: string
  default?: unknown
  enum?: unknown[]
  const?: unknown
  anyOf?: Property[]
  oneOf?: Property[]
  aliases?: string[]
}

const typeOf = (property: Property): string => {
  const branches = property.anyOf ?? property.oneOf
  if (branches) return [...new Set(branches.map(typeOf))].join('|')
  if (property.type) return [property.type].flat().join('|')
  if (property.enum) return [...new Set(property.enum.map((value) => typeof value))].join('|')
  return property.const === undefined ? 'any' : typeof property.const
}

const propertiesOf = (schema: z.ZodObject, io: 'input' | 'output') => {
  const json = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return { properties: Object.entries(json.properties ?? {}) as [string, Property][], required: json.required ?? [] }
}

/** Describes an activity from the declaration that also validates it. */
export const describeActivity = (activity: Activity): StepTemplate => {
  const { properties, required } = propertiesOf(activity.parameters, 'input')
  const outputs = propertiesOf(activity.outputs, 'output')
  return {
    activity_name: activity.name,
    name: activity.name,
    description: activity.description,
    category: activity.category,
    parameters: properties.map(([name, property]) => ({
      name,
      type: typeOf(property),
      required: required.includes(name),
      default: property.default ?? null,
      description: property.description ?? '',
      // Also for literal values: a `_path` is always a reference. Except where the engine branches, which is decided
      // before a run starts.
      accepts_path: !(activity.steers && activity.literal.includes(name)),
      aliases: property.aliases ?? [],
    })),
    outputs: outputs.properties.map(([name, property]) => ({
      path: `outputs.${name}`,
      type: typeOf(property),
      description: property.description ?? '',
      ...(outputs.required.includes(name) ? {} : { optional: true as const }),
    })),
    example: activity.example,
    gotchas: activity.gotchas,
    ...(activity.module === undefined ? {} : { module: activity.module }),
  }
}
