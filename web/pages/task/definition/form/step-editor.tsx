import { type RefObject, useId, useMemo, useState } from 'react'
import { isObject, parsedJson, parsedObject } from '../../../../../src/lib/json/json-object.ts'
import type { StepTemplate } from '../../../../../src/model/workflows/step-template.ts'
import type { ParameterOrigin, WorkflowCheck } from '../../../../../src/model/workflows/workflow-check.ts'
import type { EditorHandle } from '../../../../parts/editor/json-editor.tsx'
import { Button, IconButton } from '../../../../ui/button.tsx'
import { TextField } from '../../../../ui/field.tsx'
import { pathCompletions } from '../completions-at.ts'
import { useCommonParameters, useStepTemplates } from '../use-step-templates.ts'
import { EntryField, type ValueFieldProps } from './entry-field.tsx'
import { SchemaField } from './schema-field.tsx'
import { isShownFirst, type StepField, stepFields } from './step-fields.ts'

/** A name and what is entered for it. */
interface NamedEntry {
  name: string
  entry: string
}

const entryOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

/** The rows of an object: texts as they are, other values as JSON. */
export const pairsOf = (value: unknown): NamedEntry[] =>
  isObject(value) ? Object.entries(value).map(([name, one]) => ({ name, entry: entryOf(one) })) : []

/** An entry as the value that it had, a value of the type that it had, a list or an object in JSON, or a text. */
const valueOfEntry = (entry: string, before: unknown): unknown => {
  if (before !== undefined && entryOf(before) === entry) return before
  const value = parsedJson(entry)
  const isOfType = ['number', 'boolean'].includes(typeof before) && typeof value === typeof before
  return isOfType || (typeof value === 'object' && value !== null) ? value : entry
}

/** The object that rows write; undefined without a name. Values that were not touched keep their type. */
export const objectOfPairs = (pairs: readonly NamedEntry[], before: unknown): Record<string, unknown> | undefined => {
  const known = typeof before === 'object' && before !== null ? (before as Record<string, unknown>) : {}
  const named = pairs.filter(({ name }) => name !== '' && name !== '__proto__')
  if (named.length === 0) return undefined
  return Object.fromEntries(
    named.map(({ name, entry }) => [name, valueOfEntry(entry, Object.hasOwn(known, name) ? known[name] : undefined)]),
  )
}

/** Names with a value each: headers, query parameters, variables. */
const PairsField = ({ field, label, hint, problem, isReadOnly, onSet }: ValueFieldProps) => {
  const [typed, setTyped] = useState<{ pairs: NamedEntry[]; written: string | undefined }>()
  const known = JSON.stringify(field.value)
  const pairs = typed && typed.written === known ? typed.pairs : pairsOf(field.value)
  const set = (next: NamedEntry[]) => {
    const value = objectOfPairs(next, field.value)
    setTyped({ pairs: next, written: JSON.stringify(value) })
    onSet(value)
  }
  const change = (at: number, part: Partial<NamedEntry>) =>
    set(pairs.map((pair, index) => (index === at ? { ...pair, ...part } : pair)))
  return (
    <fieldset className="min-w-0">
      <legend className="mb-1 font-medium text-12 text-muted">{label}</legend>
      <div className="flex flex-col gap-1.5">
        {pairs.map(({ name, entry }, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a row has no name of its own while it is typed
          <div key={at} className="flex items-start gap-1.5">
            <TextField
              label={`Name ${at + 1} of ${label}`}
              hidesLabel
              isCode
              boxClass="w-2/5"
              placeholder="name"
              value={name}
              readOnly={isReadOnly}
              onChange={(event) => change(at, { name: event.target.value })}
            />
            <TextField
              label={`Value ${at + 1} of ${label}`}
              hidesLabel
              isCode
              boxClass="min-w-0 flex-1"
              placeholder={name.endsWith('_path') ? 'path, such as env.API_KEY' : 'value'}
              value={entry}
              readOnly={isReadOnly}
              onChange={(event) => change(at, { entry: event.target.value })}
            />
            {!isReadOnly && (
              <IconButton
                icon="cross"
                label={`Remove ${name || `row ${at + 1}`}`}
                onClick={() => set(pairs.filter((_, index) => index !== at))}
              />
            )}
          </div>
        ))}
        {!isReadOnly && (
          <span>
            <Button look="quiet" icon="plus" onClick={() => set([...pairs, { name: '', entry: '' }])}>
              Add to {label}
            </Button>
          </span>
        )}
      </div>
      <p className={`mt-1 break-words text-12 ${problem ? 'text-bad' : 'text-muted'}`}>{problem ?? hint}</p>
    </fieldset>
  )
}

/** A field for the value of a parameter, of the kind that the catalogue names. */
const ValueField = (props: ValueFieldProps) => {
  const { field } = props
  if (field.input === 'pairs') return <PairsField {...props} />
  if (field.input === 'json' && field.language === 'json-schema') return <SchemaField {...props} />
  return <EntryField {...props} />
}

interface ParameterBoxProps {
  field: StepField
  /** Id of the list of paths to choose from. */
  list: string
  /** What the server found wrong with it. */
  problem: string | undefined
  isReadOnly: boolean
  onEdit: (member: string, value: string | undefined) => void
}

/** One parameter: its value, or the path from which a run takes it. */
const ParameterBox = ({ field, list, problem, isReadOnly, onEdit }: ParameterBoxProps) => {
  const { name, description, required, accepts_path: acceptsPath } = field.parameter
  const [chosen, setChosen] = useState<'value' | 'path'>()
  const isPath = field.isSet ? field.isPath : (chosen ?? 'value') === 'path'
  const edit = (member: string, value: string | undefined) => {
    setChosen(isPath ? 'path' : 'value') // an emptied field stays what it is
    onEdit(member, value)
  }
  const label = required ? `${name} (needed)` : name
  const pathKey = field.isPath ? field.key : `${name}_path`
  const choose = (next: 'value' | 'path') => {
    setChosen(next)
    if (field.isSet) onEdit(field.key, undefined)
  }
  return (
    <div className="relative min-w-0">
      {acceptsPath && !isReadOnly && (
        <button
          type="button"
          aria-label={`${isPath ? 'Write a value' : 'Take a path'} for ${name}`}
          onClick={() => choose(isPath ? 'value' : 'path')}
          className="absolute top-0 right-0 z-10 -mt-1 h-6 rounded-m px-1.5 text-11 text-muted hover:bg-sunk hover:text-text"
        >
          {isPath ? 'write a value' : 'take a path'}
        </button>
      )}
      {isPath ? (
        <TextField
          label={label}
          hint={description}
          error={problem}
          isCode
          list={list}
          readOnly={isReadOnly}
          placeholder="init_params.name or step.outputs.text"
          value={typeof field.value === 'string' ? field.value : field.isSet ? JSON.stringify(field.value) : ''}
          disabled={field.isSet && typeof field.value !== 'string'}
          onChange={({ target: { value } }) => edit(pathKey, value === '' ? undefined : JSON.stringify(value))}
        />
      ) : (
        <ValueField
          field={field}
          label={label}
          hint={description}
          problem={problem}
          isReadOnly={isReadOnly}
          onSet={(value) => edit(name, value === undefined ? undefined : JSON.stringify(value, null, 2))}
        />
      )}
    </div>
  )
}

interface StepFormProps {
  template: StepTemplate
  /** What every step may have. */
  common: StepTemplate['parameters']
  config: Readonly<Record<string, unknown>>
  /** Paths that the step may read, to choose from. */
  paths: readonly string[]
  /** What the server found wrong, by the member of the config. */
  problems: ReadonlyMap<string, string>
  isReadOnly: boolean
  /** Writes a member of the config, as JSON text; undefined removes it. */
  onEdit: (member: string, value: string | undefined) => void
}

/** The parameters of a step as fields, which write into the text of the workflow. */
const StepForm = ({ template, common, config, paths, problems, isReadOnly, onEdit }: StepFormProps) => {
  const list = useId()
  const own = new Set(template.parameters.map(({ name }) => name))
  const parameters = [...template.parameters, ...common.filter(({ name }) => !own.has(name))]
  const fields = stepFields({ parameters }, config)
  // A field keeps its place while it is typed into, also when it is emptied.
  const [first] = useState(() => new Set(fields.filter(isShownFirst).map(({ parameter }) => parameter.name)))
  const [isOpen, setOpen] = useState(false)
  const box = (field: (typeof fields)[number]) => (
    <ParameterBox
      key={field.parameter.name}
      {...{ field, list, isReadOnly, onEdit }}
      problem={problems.get(field.key)}
    />
  )
  const rest = fields.filter(({ parameter }) => !first.has(parameter.name))
  return (
    <section aria-label={`Parameters of ${template.activity_name}`} className="flex flex-col gap-4">
      <p className="text-12 text-muted">
        <code className="font-mono text-text">{template.activity_name}</code> {template.description}
      </p>
      <datalist id={list}>
        {paths.map((path) => (
          <option key={path} value={path} />
        ))}
      </datalist>
      {fields.filter(({ parameter }) => first.has(parameter.name)).map(box)}
      {rest.length > 0 && (
        <details open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
          <summary className="w-fit cursor-pointer font-medium text-12 text-muted hover:text-text">
            {rest.length} more {rest.length === 1 ? 'parameter' : 'parameters'}
          </summary>
          {isOpen && <div className="mt-3 flex flex-col gap-4">{rest.map(box)}</div>}
        </details>
      )}
    </section>
  )
}

const words: Record<ParameterOrigin['kind'], string> = {
  init_params: 'parameter',
  step: 'step',
  env: 'environment',
  literal: 'written',
  template: 'text',
}

/** Where each parameter of a step gets its value: the first choice first. */
const Origins = ({ bindings }: { bindings: Readonly<Record<string, readonly ParameterOrigin[]>> }) => (
  <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1">
    {Object.entries(bindings).map(([parameter, origins]) => (
      <div key={parameter} className="contents">
        <dt className="text-muted">{parameter}</dt>
        <dd className="min-w-0">
          {origins.map(({ kind, text }, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: origins have no names and never move
            <span key={at} className="flex items-baseline gap-2">
              <span className="shrink-0 text-11 text-faint">
                {at > 0 && kind !== 'step' ? `or ${words[kind]}` : words[kind]}
              </span>
              <code className="min-w-0 truncate font-mono text-12">{text}</code>
            </span>
          ))}
        </dd>
      </div>
    ))}
  </dl>
)

interface StepEditorProps {
  check: WorkflowCheck
  workflowText: string
  step: string
  isReadOnly: boolean
  editor: RefObject<EditorHandle | null>
}

/** The config of a step in a workflow text. */
const configOf = (text: string, step: string): Record<string, unknown> | undefined => {
  const configs = parsedObject(text)?.step_configs
  const config = isObject(configs) && Object.hasOwn(configs, step) ? configs[step] : undefined
  return isObject(config) ? config : undefined
}

/** What is wrong with the members of a step's config, by member. */
const problemsOf = ({ problems }: WorkflowCheck, step: string): ReadonlyMap<string, string> => {
  const own = problems.filter((one) => one.step === step && one.severity === 'error')
  return new Map(
    own.map(({ pointer, message }) => {
      const member = pointer.split('/')[3] ?? ''
      return [member.replaceAll('~1', '/').replaceAll('~0', '~'), message.replace(`Step '${step}': `, '')]
    }),
  )
}

/** A form for the parameters of a step. Where there can be none, it says where the parameters come from. */
export const StepEditor = ({ check, workflowText, step, isReadOnly, editor }: StepEditorProps) => {
  const templates = useStepTemplates()
  const common = useCommonParameters()
  const config = useMemo(() => configOf(workflowText, step), [workflowText, step])
  const template = templates.find(({ activity_name }) => activity_name === config?.activity)
  if (!config || !template) return <Origins bindings={check.bindings[step] ?? {}} />
  return (
    <StepForm
      key={template.activity_name}
      template={template}
      common={common}
      config={config}
      paths={pathCompletions(workflowText, step, { templates, steps: check.steps }).map(({ label }) => label)}
      problems={problemsOf(check, step)}
      isReadOnly={isReadOnly}
      onEdit={(member, value) => editor.current?.edit(['step_configs', step, member], value)}
    />
  )
}
