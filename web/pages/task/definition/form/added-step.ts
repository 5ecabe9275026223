import { isObject, parsedObject } from '../../../../../src/lib/json/json-object.ts'
import { prettyJson } from '../../../../../src/lib/json/pretty-json.ts'

/** Members of a workflow to set, one after the other, for one more step. */
interface AddedStep {
  name: string
  edits: { path: string[]; value: string }[]
}

const freeName = (wanted: string, taken: (name: string) => boolean): string => {
  for (let number = 1; ; number++) {
    const name = number === 1 ? wanted : `${wanted}_${number}`
    if (!taken(name)) return name
  }
}

const asText = (value: unknown): string => prettyJson(JSON.stringify(value))

/** Adds a step with an activity at the end of a workflow text; undefined where the text is no workflow. */
export const addedStep = (text: string, activity: string): AddedStep | undefined => {
  const workflow = parsedObject(text)
  const { step_configs: configs = {}, steps = [] } = workflow ?? {}
  if (!workflow || !isObject(configs) || !Array.isArray(steps)) return undefined
  const name = freeName(activity, (one) => Object.hasOwn(configs, one) || steps.includes(one))
  const config = { activity }
  const configEdit = Object.hasOwn(workflow, 'step_configs')
    ? { path: ['step_configs', name], value: asText(config) }
    : { path: ['step_configs'], value: asText({ [name]: config }) }
  return { name, edits: [configEdit, { path: ['steps'], value: asText([...steps, name]) }] }
}
