import type { StepTemplate } from '../../../../src/model/workflows/step-template.ts'
import type { CheckedStep } from '../../../../src/model/workflows/workflow-check.ts'

interface CompletionOption {
  label: string
  detail?: string
  /** What is written, where that is more than the label. */
  apply?: string
}

type Template = Pick<StepTemplate, 'activity_name' | 'name' | 'parameters' | 'outputs'>

/** What is known besides the text: the activities, and the steps as the server understood them last. */
export interface Known {
  templates: readonly Template[]
  steps: readonly Pick<CheckedStep, 'name' | 'structured_outputs'>[]
}

/** The last string before a place: whether it is open there, and the names that lead to it. */
interface Place {
  /** Where the text of the open string begins. */
  from: number
  /** Names of the objects around it, from outside. */
  path: string[]
  /** Whether it is the name of a member. */
  isName: boolean
}

/** Finds the string that is being written at a place of a JSON text, which may be broken after it. */
export const openStringAt = (text: string, pos: number): Place | undefined => {
  const stack: { name: string; isList: boolean; expectsName: boolean }[] = []
  let open = -1
  let last = ''
  for (let at = 0; at < pos; at++) {
    const sign = text[at]
    const top = stack.at(-1)
    if (open >= 0) {
      if (sign === '\\') at++
      else if (sign === '"') {
        last = text.slice(open, at)
        open = -1
      } else if (sign === '\n') open = -1 // a string never has one: it was not closed
    } else if (sign === '"') open = at + 1
    else if (sign === '{' || sign === '[') stack.push({ name: '', isList: sign === '[', expectsName: sign === '{' })
    else if (sign === '}' || sign === ']') stack.pop()
    else if (sign === ':' && top) {
      top.name = last
      top.expectsName = false
    } else if (sign === ',' && top) {
      top.name = ''
      top.expectsName = !top.isList
    }
  }
  if (open < 0 || open > pos) return undefined
  const isName = stack.at(-1)?.expectsName ?? false
  const path = stack.filter(({ isList }, at) => !isList || at < stack.length).map(({ name }) => name)
  return { from: open, path: isName ? path.slice(0, -1) : path, isName }
}

const stepNames = (text: string): string[] => {
  const at = text.indexOf('"step_configs"')
  const found = at < 0 ? [] : [...text.slice(at).matchAll(/"([A-Za-z_][\w-]{0,63})"\s*:\s*\{\s*"activity"/g)]
  return found.map(([, name = '']) => name)
}

/** The activity of a step, as far as it is written. */
const activityOf = (text: string, step: string): string | undefined => {
  const at = text.search(new RegExp(`"${step.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}"\\s*:\\s*\\{`))
  return at < 0 ? undefined : /"activity"\s*:\s*"([^"]*)"/.exec(text.slice(at, at + 2_000))?.[1]
}

const parametersOf = (text: string): string[] => {
  const at = text.search(/"init_params"\s*:\s*\{/)
  if (at < 0) return []
  const end = text.indexOf('}', at)
  return [...text.slice(at + 13, end < 0 ? undefined : end).matchAll(/"([\w-]+)"\s*:/g)].map(([, name = '']) => name)
}

/** Paths that a step may read: parameters of the run, and outputs of other steps. */
export const pathCompletions = (text: string, self: string, { templates, steps }: Known): CompletionOption[] => [
  ...parametersOf(text).map((name) => ({ label: `init_params.${name}`, detail: 'parameter' })),
  ...stepNames(text)
    .filter((name) => name !== self)
    .flatMap((name) => {
      const activity = activityOf(text, name)
      const declared = templates.find(({ activity_name }) => activity_name === activity)?.outputs ?? []
      const structured = steps.find((step) => step.name === name)?.structured_outputs ?? []
      return [...structured, ...declared].map(({ path, type }) => ({ label: `${name}.${path}`, detail: type }))
    }),
]

/** Where the path begins that is being written between `{{` and `}}` in an open string. */
const placeholderAt = (text: string, from: number, pos: number): number | undefined => {
  const begin = text.lastIndexOf('{{', pos - 2)
  return begin < from || text.slice(begin, pos).includes('}}') ? undefined : begin + 2
}

/** What may be written at a place of a workflow. */
export const completionsAt = (
  text: string,
  pos: number,
  known: Known,
): { from: number; options: CompletionOption[] } => {
  const { templates } = known
  const place = openStringAt(text, pos)
  if (!place) return { from: pos, options: [] }
  const [section, step = '', member = ''] = place.path
  const none = { from: place.from, options: [] }
  if (section === 'steps') return { ...none, options: stepNames(text).map((label) => ({ label })) }
  if (section !== 'step_configs' || step === '') return none
  if (place.isName && place.path.length === 2) {
    const template = templates.find(({ activity_name }) => activity_name === activityOf(text, step))
    const options = (template?.parameters ?? []).flatMap(({ name, type, accepts_path: byPath }) => [
      { label: name, detail: type },
      ...(byPath ? [{ label: `${name}_path`, detail: 'path' }] : []),
    ])
    return {
      from: place.from,
      options: [...options, { label: 'activity' }, { label: 'depends_on' }, { label: 'options' }],
    }
  }
  if (place.isName) return none
  if (member === 'activity') {
    return {
      from: place.from,
      options: templates.map(({ activity_name, name }) => ({ label: activity_name, detail: name })),
    }
  }
  if (member === 'depends_on') return { from: place.from, options: stepNames(text).map((label) => ({ label })) }
  if (member.endsWith('_path') || member.endsWith('_path_expr')) {
    return { from: place.from, options: pathCompletions(text, step, known) }
  }
  const begin = placeholderAt(text, place.from, pos)
  return begin === undefined ? none : { from: begin, options: pathCompletions(text, step, known) }
}
