import { isObject } from '../../lib/json/json-object.ts'
import { inferredInputSchema } from '../../model/workflows/input-schema.ts'
import type { StepTemplate } from '../../model/workflows/step-template.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import { workflowParameters } from '../../model/workflows/workflow-parameters.ts'
import { namedType, schemaType, unionOf } from './schema-type.ts'

/** A parameter of a run as a member of a type. */
export interface ParameterType {
  name: string
  type: string
  isRequired: boolean
  about: string
}

/** Templates of the activities by name. */
export type Templates = ReadonlyMap<string, StepTemplate>

/** What the steps say of a parameter that they read with `x_path`: its types, and whether one cannot do without it. */
const usesOf = (workflow: Workflow, templates: Templates, name: string) => {
  const types: string[] = []
  let isRequired = false
  for (const config of Object.values(workflow.step_configs ?? {})) {
    const template = templates.get(String(config?.activity))
    for (const parameter of template?.parameters ?? []) {
      if (config[`${parameter.name}_path`] !== `init_params.${name}`) continue
      types.push(namedType(parameter.type))
      isRequired ||= parameter.required
    }
  }
  return { type: unionOf(types), isRequired }
}

const describedParams = (schema: Record<string, unknown>, presets: Record<string, unknown>): ParameterType[] => {
  const required = Array.isArray(schema.required) ? schema.required : []
  const properties = isObject(schema.properties) ? schema.properties : {}
  return Object.entries(properties).map(([name, one]) => ({
    name,
    type: schemaType(one),
    isRequired: required.includes(name) && (presets[name] ?? null) === null,
    about: isObject(one) && typeof one.description === 'string' ? one.description : '',
  }))
}

const presetAbout = (preset: unknown): string => {
  const text = JSON.stringify(preset) ?? ''
  return text.length > 100 ? '' : `Default: ${text}`
}

const inferredParams = (workflow: Workflow, templates: Templates, names: string[]): ParameterType[] => {
  const presets = isObject(workflow.init_params) ? workflow.init_params : {}
  const properties = inferredInputSchema(presets).properties as Record<string, unknown>
  return names.map((name) => {
    const preset = presets[name] ?? null
    if (preset !== null)
      return { name, type: schemaType(properties[name]), isRequired: false, about: presetAbout(preset) }
    const uses = usesOf(workflow, templates, name)
    return { name, ...uses, isRequired: uses.isRequired && !Object.hasOwn(presets, name), about: '' }
  })
}

/**
 * Parameters of a task: as its `input_schema` declares them, else those with a default and those that steps read. `isOpen`
 * when a step reads all of `init_params`, so that any name may be used.
 */
export const taskParams = (workflow: Workflow, templates: Templates): { params: ParameterType[]; isOpen: boolean } => {
  const presets = isObject(workflow.init_params) ? workflow.init_params : {}
  const names = workflowParameters(workflow)
  const params = isObject(workflow.input_schema)
    ? describedParams(workflow.input_schema, presets)
    : inferredParams(workflow, templates, names ?? Object.keys(presets))
  const files = { name: 'file_paths', type: 'string[]', isRequired: false, about: 'Storage paths of uploaded files.' }
  return {
    params: params.some(({ name }) => name === files.name) ? params : [...params, files],
    isOpen: names === undefined && !isObject(workflow.input_schema),
  }
}
