import { AppError } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { compact, memberText } from '../../lib/json/json-text.ts'
import { nearest } from '../../lib/text/nearest.ts'
import { shownJson } from '../show/output.ts'
import { parseJsonFile, readInputText } from './inputs.ts'
import type { TextPlace } from './yaml-document.ts'

/** Members of a task by name, each as its JSON text, so that a workflow stays byte for byte. */
export type TaskMembers = ReadonlyMap<string, string>

const besideWorkflow = [
  'description',
  'version',
  'has_file_uploads',
  'is_private',
  'is_chat_flow',
  'croissant_metadata',
] as const

const sections = ['init_params', 'step_configs', 'steps']

/** Picks the named members that a JSON object has. */
export const fieldsOf = (text: string, names: Iterable<string>): TaskMembers => {
  const found = [...names].map((name) => [name, memberText(text, name)] as const)
  return new Map(found.filter((entry): entry is [string, string] => entry[1] !== undefined))
}

/** Versioned content of a task, without its name, so that a renamed task keeps its name. */
export const contentOf = (text: string): TaskMembers => fieldsOf(text, [...besideWorkflow, 'workflow'])

export interface TaskFile {
  fields: TaskMembers
  /** Name of the task in the file; ignored. */
  name: string | undefined
  /** File name for messages. */
  label: string
  /** Finds the position of a member named by its request path, such as `workflow.steps`. */
  find(field: string): TextPlace
}

const isYaml = (path: string, text: string): boolean =>
  /\.ya?ml$/i.test(path) || (path === '-' && !/^\s*[{[]/.test(text))

/**
 * Reads a task from a JSON or YAML file: a bare workflow, or an object with `workflow` beside description, version and
 * so on.
 */
export const readTaskFile = async (path: string): Promise<TaskFile> => {
  const { documentPlaces, jsonOfYaml } = await import('./yaml-document.ts') // its parser is a fifth of a command's start
  const written = readInputText(path).replace(/^\ufeff/, '')
  const label = path === '-' ? 'stdin' : path
  const text = isYaml(path, written) ? jsonOfYaml(label, written) : written
  const value = parseJsonFile(path, text)
  const finder = (prefix: string) => {
    let places: ReturnType<typeof documentPlaces> | undefined
    return (field: string) => {
      places ??= documentPlaces(written)
      return places(field.startsWith(prefix) ? field.slice(prefix.length) : field)
    }
  }
  if (isObject(value) && isObject(value.workflow)) {
    const name = typeof value.name === 'string' ? value.name : undefined
    return { fields: contentOf(text), name, label, find: finder('') }
  }
  if (isObject(value) && (sections.some((section) => Object.hasOwn(value, section)) || looksLikeWorkflow(value))) {
    return { fields: new Map([['workflow', compact(text)]]), name: undefined, label, find: finder('workflow.') }
  }
  throw new AppError('invalid', `${label} does not contain a workflow`, {
    hint: `Expected an object with ${sections.join(', ')}, or an object with such a workflow as its member workflow.`,
  })
}

/** Tells whether a member resembles one of a workflow, so that the server can suggest the right name. */
const looksLikeWorkflow = (value: object): boolean =>
  Object.keys(value).some((key) => nearest(key, sections) !== undefined)

/** Request body with these fields. */
export const bodyText = (fields: TaskMembers): string =>
  `{${[...fields].map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(',')}}`

/** Formats the fields for reading and comparison; a bare workflow is the document itself. */
export const documentText = (fields: TaskMembers): string => {
  const alone = fields.size === 1 ? fields.get('workflow') : undefined
  return `${shownJson(alone ?? bodyText(fields))}\n`
}
