import { AppError } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { compact, memberText } from '../../lib/json/json-text.ts'
import { shownJson } from '../show/output.ts'
import { readJsonText } from './inputs.ts'

/** Members of a task by name, each as the JSON text it has: nothing in a workflow changes on its way. */
export type TaskFields = ReadonlyMap<string, string>

const besideWorkflow = [
  'description',
  'version',
  'has_file_uploads',
  'is_private',
  'is_chat_flow',
  'croissant_metadata',
] as const

const sections = ['init_params', 'step_configs', 'steps']

/** Those of the named members that a JSON object has. */
export const fieldsOf = (text: string, names: Iterable<string>): TaskFields => {
  const found = [...names].map((name) => [name, memberText(text, name)] as const)
  return new Map(found.filter((entry): entry is [string, string] => entry[1] !== undefined))
}

/** What a version of a task holds; its name is left out, so that a task which was renamed keeps its name. */
export const contentOf = (text: string): TaskFields => fieldsOf(text, [...besideWorkflow, 'workflow'])

/** A task from a file: a workflow alone, or an object that has it as `workflow` beside description, version and so on. */
export const readTaskFile = (path: string): { fields: TaskFields; name: string | undefined } => {
  const { text, value } = readJsonText(path)
  if (isObject(value) && isObject(value.workflow)) {
    return { fields: contentOf(text), name: typeof value.name === 'string' ? value.name : undefined }
  }
  if (isObject(value) && sections.some((section) => Object.hasOwn(value, section))) {
    return { fields: new Map([['workflow', compact(text)]]), name: undefined }
  }
  throw new AppError('invalid', `${path === '-' ? 'stdin' : path} holds no workflow`, {
    hint: `Expected an object with ${sections.join(', ')}, or one that has it as the member workflow.`,
  })
}

/** The body that sends these fields. */
export const bodyText = (fields: TaskFields): string =>
  `{${[...fields].map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(',')}}`

/** The fields on lines, to be read and compared; a workflow that stands alone is itself the document. */
export const documentText = (fields: TaskFields): string => {
  const alone = fields.size === 1 ? fields.get('workflow') : undefined
  return `${shownJson(alone ?? bodyText(fields))}\n`
}
