import type { ActivityRegistry } from '../../activities/activity.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { timestamp } from '../../lib/time.ts'
import { coveredIds, type Identity } from '../../model/collections/identity.ts'
import type { OfferedActivity } from '../../model/workers/worker.ts'
import type { StepTemplate } from '../../model/workflows/step-template.ts'
import type { Queries } from '../../store/database/database.ts'
import { type OfferedActivityRow, offeredActivities } from '../../store/workers/workers.ts'
import { stepTemplatesContract } from './contract.ts'
import { describeActivity, describeCommon, type Property, shownOutputs, shownParameters } from './describe.ts'

const deepest = 8
const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

/** The members of a property that a template shows. A worker may declare anything, so each is checked. */
const propertyFrom = (value: unknown, depth = 0): Property => {
  if (!isObject(value) || depth > deepest) return {}
  const { type, description, enum: choices, items, properties, anyOf, oneOf, additionalProperties: more } = value
  const types = [type].flat().filter((one): one is string => typeof one === 'string')
  const branches = [anyOf, oneOf].find((one) => Array.isArray(one) && one.length > 0) as unknown[] | undefined
  const about = textOf(description)
  return {
    ...(types.length > 0 && { type: types }),
    ...(about !== undefined && { description: about }),
    ...(value.default !== undefined && { default: value.default }),
    ...(Array.isArray(choices) && { enum: choices }),
    ...(value.const !== undefined && { const: value.const }),
    ...(branches && { anyOf: branches.map((one) => propertyFrom(one, depth + 1)) }),
    ...(isObject(items) && { items: propertyFrom(items, depth + 1) }),
    ...(isObject(properties) && { properties }),
    ...(isObject(more) && { additionalProperties: propertyFrom(more, depth + 1) }),
  }
}

const schemaFrom = ({ properties, required }: Record<string, unknown>) => ({
  properties: Object.entries(isObject(properties) ? properties : {}).map(([name, value]): [string, Property] => [
    name,
    propertyFrom(value),
  ]),
  required: Array.isArray(required) ? required.filter((name): name is string => typeof name === 'string') : [],
})

const runsOn: StepTemplate['parameters'][number] = {
  name: 'runs_on',
  type: 'array',
  required: false,
  default: [],
  description: 'Labels that the worker must have, such as `gpu`.',
  accepts_path: true,
  aliases: [],
  input: 'list',
  language: null,
  choices: [],
}

/** Describes an activity from what its workers have registered. */
const describeOffered = (row: OfferedActivityRow): StepTemplate => {
  const offered = JSON.parse(row.definition) as OfferedActivity
  const parameters = shownParameters(schemaFrom(offered.parameters), () => true)
  const required = parameters.filter((one) => one.required).map(({ name }) => [`${name}_path`, `init_params.${name}`])
  return {
    activity_name: row.name,
    name: row.name,
    description: offered.description,
    category: 'workers',
    parameters: [...parameters, runsOn],
    outputs: shownOutputs(schemaFrom(offered.outputs)),
    structured_output: null,
    example: { activity: row.name, ...Object.fromEntries(required) },
    gotchas: [],
    offered_by: {
      online: row.online,
      workers: row.workers,
      since: timestamp(row.since),
      seen_at: timestamp(row.seen_at),
      version: offered.version ?? null,
    },
  }
}

interface StepTemplatesDeps {
  activities: ActivityRegistry
  database: Queries
}

export const stepTemplatesRoutes = ({ activities, database }: StepTemplatesDeps): Route[] => {
  let known: StepTemplate[] | undefined
  /** Worked out with the first request, which takes it a tenth of what a whole start takes. */
  const allTemplates = (): StepTemplate[] => {
    known ??= [...activities.values()].map(describeActivity).sort((a, b) => (a.name < b.name ? -1 : 1))
    return known
  }

  /** What workers offer to the collections that the caller covers. */
  const offeredTo = async (identity: Identity | undefined, name: string | null): Promise<StepTemplate[]> =>
    identity ? (await offeredActivities(database, coveredIds(identity), name)).map(describeOffered) : []

  return implement(stepTemplatesContract, {
    listStepTemplates: async ({ query: { category, q }, identity }) => {
      const all = [...allTemplates(), ...(await offeredTo(identity, null))]
      const categories = [...new Set(all.map((template) => template.category))].sort()
      const words = q?.toLowerCase()
      const templates = all.filter(
        (template) =>
          (category === undefined || template.category === category) &&
          (words === undefined || `${template.name} ${template.description}`.toLowerCase().includes(words)),
      )
      return { templates, categories, total_count: templates.length, common_parameters: describeCommon() }
    },

    getStepTemplate: async ({ params: { activity }, identity }) => {
      const own = allTemplates().find((one) => one.name === activity)
      const template = own ?? (await offeredTo(identity, activity))[0]
      if (!template) throw new AppError('not_found', `Step template '${activity}' not found`)
      return template
    },
  })
}
