import { useMutation, useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type DragEvent, useMemo, useState } from 'react'
import { isObject } from '../../../../src/lib/json/json-object.ts'
import { memberSpans } from '../../../../src/lib/json/json-text.ts'
import type { RunbookParameter } from '../../../../src/model/runbooks/runbook.ts'
import { api } from '../../../data/api.ts'
import { useTitle } from '../../../data/browser.ts'
import { keys } from '../../../data/keys.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { Problem } from '../../../parts/problem.tsx'
import { type FormField, formParams } from '../../../parts/schema-form/form-fields.ts'
import { SchemaForm } from '../../../parts/schema-form/schema-form.tsx'
import { CopyLine } from '../../../ui/copy.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { useKeys } from '../../../ui/keys.ts'
import { SaveBar } from '../definition/save-bar.tsx'
import { runCommand } from '../run/command.ts'
import { FileDrop } from '../run/file-drop.tsx'
import { useDraft } from '../use-draft.ts'
import { type ReadTask, type TaskPlaceProps, useTask } from '../use-task.ts'
import { AgentChoice } from './agent-choice.tsx'
import { comesWithRun, type RunbookPlaces, runbookPlaces, textAt, valueAt } from './runbook-places.ts'
import { RunbookSplit, type RunbookView, useRunbookCheck } from './runbook-split.tsx'

const longLine = 80

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

/** A field for each parameter of a runbook. A value of the task outweighs the default of the runbook. */
export const parameterFields = (
  parameters: readonly RunbookParameter[],
  given: Readonly<Record<string, unknown>>,
): FormField[] =>
  parameters.map(({ name, description, default: preset, required }) => {
    const own = Object.hasOwn(given, name) && given[name] !== null ? textOf(given[name]) : undefined
    const standard = own ?? preset ?? undefined
    return {
      name,
      kind: standard !== undefined && (standard.length > longLine || standard.includes('\n')) ? 'text' : 'line',
      label: name,
      hint: description,
      isRequired: required && standard === undefined,
      choices: [],
      standard,
    }
  })

const member = (name: string, value: string): string => `${JSON.stringify(name)}:${value}`

/**
 * Puts a value into a JSON document at a path of member names, and makes the objects on the way that are missing. Every
 * other byte stays: keys keep their order, and long numbers their digits. `text` and `value` must be valid JSON.
 */
export const setMember = (text: string, path: readonly string[], value: string): string => {
  const [name, ...rest] = path
  if (name === undefined) return value
  if (!text.trimStart().startsWith('{')) return `{${member(name, setMember('{}', rest, value))}}`
  let found: { start: number; end: number } | undefined
  let isEmpty = true
  for (const one of memberSpans(text)) {
    isEmpty = false
    if (one.name === name) found = one
  }
  if (found) {
    const inner = setMember(text.slice(found.start, found.end), rest, value)
    return text.slice(0, found.start) + inner + text.slice(found.end)
  }
  const end = text.lastIndexOf('}')
  return `${text.slice(0, end)}${isEmpty ? '' : ','}${member(name, setMember('{}', rest, value))}${text.slice(end)}`
}

/** What of a runbook is saved with its task. Without an agent or model, the runbook itself decides. */
interface RunbookText {
  instruction: string
  agent: string
  model: string
}

type Stored = Pick<ReadTask, 'workflowText'> & { task: { workflow: unknown } }

/** Reads the runbook of a task. */
export const runbookTextOf = ({ task: { workflow } }: Stored, places: RunbookPlaces): RunbookText => ({
  instruction: textAt(workflow, places.instruction),
  agent: textAt(workflow, places.agent),
  model: textAt(workflow, places.model),
})

/** The workflow of a task with another runbook in it, as text. What was not changed stays byte for byte. */
export const workflowWith = (stored: Stored, places: RunbookPlaces, edited: RunbookText): string => {
  const before = runbookTextOf(stored, places)
  let text = stored.workflowText
  for (const name of ['instruction', 'agent', 'model'] as const) {
    const path = places[name]
    if (path === undefined || edited[name] === before[name]) continue
    text = setMember(text, path, JSON.stringify(name !== 'instruction' && edited[name] === '' ? null : edited[name]))
  }
  return text
}

interface RunFormOptions {
  place: TaskPlaceProps
  fields: readonly FormField[]
  entries: Readonly<Record<string, string>>
  /** Name of the run's parameter that holds the values; undefined: a run brings none. */
  varsName: string | undefined
  /** Values that the task brings. */
  own: Readonly<Record<string, unknown>>
  /** A field is missing: nothing was started. */
  onMissing: () => void
}

/** Starts a run of a runbook with what was entered. */
const useRunForm = ({ place, fields, entries, varsName, own, onMissing }: RunFormOptions) => {
  const navigate = useNavigate()
  const [files, setFiles] = useState<readonly File[]>([])
  const [wasSent, setSent] = useState(false)
  const { params, errors } = formParams(fields, entries)
  const start = useMutation({
    mutationFn: () =>
      api.runTask({
        params: { ...place },
        query: { preflight: 'refuse' },
        body: { init_params: varsName === undefined ? {} : { [varsName]: { ...own, ...params } } },
        files: files.map((file) => ({ field: 'files', name: file.name, content: file })),
      }),
  })
  // Only while the page is there: whoever left it during an upload stays elsewhere.
  const open = ({ trajectory_id: id }: { trajectory_id: string }) =>
    void navigate({ to: '/$collection/$task/$id', params: { ...place, id } })
  const run = () => {
    setSent(true)
    if (Object.keys(errors).length > 0) onMissing()
    else if (!start.isPending) start.mutate(undefined, { onSuccess: open })
  }
  return {
    ...{ params, files, setFiles, run },
    errors: wasSent ? errors : {},
    isStarting: start.isPending,
    error: start.error,
  }
}

interface RunWithProps {
  fields: readonly FormField[]
  entries: Readonly<Record<string, string>>
  errors: Readonly<Record<string, string>>
  onEnter: (name: string, entry: string) => void
  files: readonly File[]
  onFiles: (files: readonly File[]) => void
  command: string
}

/** What one run is given: parameters and files. */
const RunWith = ({ fields, entries, errors, onEnter, files, onFiles, command }: RunWithProps) => (
  <>
    {fields.length === 0 && <p className="text-muted">The runbook has no parameters.</p>}
    <SchemaForm fields={fields} entries={entries} errors={errors} onEnter={onEnter} />
    <FileDrop
      files={files}
      onAdd={(more) => onFiles([...files, ...more])}
      onRemove={(file) => onFiles(files.filter((one) => one !== file))}
    />
    <section>
      <h2 className="mb-1 font-medium text-12 text-muted">The same from a terminal</h2>
      <CopyLine text={command} />
    </section>
  </>
)

const press = (id: string) => () => document.getElementById(id)?.click()
const save = press('save-workflow')
const saveAndRun = press('run-workflow')

interface RunbookEditorProps extends TaskPlaceProps {
  read: ReadTask
  places: RunbookPlaces
  /** The runbook of a run, where the task stores none. */
  brought?: { text: string; runId: string }
}

/** Edits the runbook of a task, and runs it. */
const RunbookEditor = ({ collection, task, read, places, brought }: RunbookEditorProps) => {
  const place = { collection, task }
  const mayWrite = useMayWrite()
  const [view, setView] = useState<RunbookView>('checks')
  const draft = useDraft(
    read,
    (from) => {
      const stored = runbookTextOf(from, places)
      return brought && stored.instruction === '' ? { ...stored, instruction: brought.text } : stored
    },
    // The text of a run that was only looked at is no change to lose.
    (from, text) => workflowWith(from, places, text) !== from.workflowText && text.instruction !== brought?.text,
  )
  const { base, edited } = draft
  const isUnstored = brought !== undefined && runbookTextOf(base, places).instruction === ''
  const change = (more: Partial<typeof edited>) => draft.setEdited({ ...edited, ...more })
  const [entries, setEntries] = useState<Record<string, string>>({})
  const own = useMemo(() => {
    const vars = places.vars && valueAt(base.task.workflow, places.vars)
    return isObject(vars) ? vars : {}
  }, [base, places])
  const entered = Object.fromEntries(Object.entries(entries).filter(([, entry]) => entry !== ''))
  const { instruction: content, agent, model } = edited
  const check = useRunbookCheck({ collection, content, agent, model, vars: { ...own, ...entered } })
  const varsName = comesWithRun(places.vars) ? places.vars?.at(-1) : undefined
  const fields = useMemo(
    () => (varsName === undefined ? [] : parameterFields(check.parameters ?? [], own)),
    [varsName, check.parameters, own],
  )
  const form = useRunForm({ place, fields, entries, varsName, own, onMissing: () => setView('form') })
  useKeys('Runbook', [
    { keys: 'mod+s', does: 'Save the runbook', run: save },
    { keys: 'mod+enter', does: 'Save and run it', run: saveAndRun },
  ])
  const given = Object.fromEntries(Object.entries(form.params).map(([name, value]) => [`${varsName}.${name}`, value]))
  const onDrop = (event: DragEvent) => {
    if (event.dataTransfer.files.length === 0) return
    event.preventDefault()
    event.stopPropagation() // the editor would insert the text of a file
    const added = [...event.dataTransfer.files]
    form.setFiles((were) => [...were, ...added])
    setView('form')
  }
  return (
    <main
      className="flex min-h-0 flex-1 flex-col"
      onDragOver={(event) => event.preventDefault()}
      onDropCapture={onDrop}
    >
      <h1 className="sr-only">Runbook of {task}</h1>
      <SaveBar
        place={place}
        base={base}
        text={workflowWith(base, places, edited)}
        isChanged={draft.isChanged || isUnstored}
        isBroken={false}
        mayWrite={mayWrite}
        onSaved={draft.saved}
        onReset={draft.reset}
        onRun={form.run}
        isStarting={form.isStarting}
      />
      {form.error && <Problem error={form.error} />}
      {isUnstored && (
        <p className="shrink-0 border-line border-b bg-sunk px-4 py-1.5">
          This is the runbook of run <code>{brought.runId}</code>. The task stores none: save it to run the task without
          sending one.
        </p>
      )}
      <RunbookSplit
        collection={collection}
        label={`Runbook of ${task}`}
        text={content}
        opened={`${base.task.id} ${draft.opened}`}
        onChange={(instruction) => change({ instruction })}
        onSave={save}
        onRun={saveAndRun}
        isReadOnly={!mayWrite}
        check={check}
        view={view}
        onView={setView}
        form={
          <>
            <AgentChoice
              collection={collection}
              agent={agent}
              model={model}
              onAgent={places.agent && ((chosen) => change({ agent: chosen }))}
              onModel={places.model && ((chosen) => change({ model: chosen }))}
              preflight={check.preflight}
            />
            <RunWith
              fields={fields}
              entries={entries}
              errors={form.errors}
              onEnter={(name, entry) => setEntries((were) => ({ ...were, [name]: entry }))}
              files={form.files}
              onFiles={form.setFiles}
              command={runCommand({ ...place, params: given, files: form.files.map(({ name }) => name) })}
            />
          </>
        }
      />
    </main>
  )
}

/** The runbook of a task: its text, what is to mend in it, and a run from there. */
const RunbookTab = ({ collection, task }: TaskPlaceProps) => {
  useTitle('Runbook', task, collection)
  const { data, error, refetch } = useTask(collection, task)
  if (error && !data) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <main className="flex-1" />
  const places = runbookPlaces(data.task.workflow)
  if (!places) {
    return (
      <NoRunbook collection={collection} task={task} title="This task has no runbook">
        A runbook is the instruction of a step with the activity <code>runbook</code>, or a parameter that such a step
        reads.
      </NoRunbook>
    )
  }
  const isStored = textAt(data.task.workflow, places.instruction) !== '' || !comesWithRun(places.instruction)
  const Tab = isStored ? RunbookEditor : RunbookOfLastRun
  return <Tab collection={collection} task={task} read={data} places={places} />
}

interface RunbookOfLastRunProps extends TaskPlaceProps {
  read: ReadTask
  places: RunbookPlaces
}

/** Opens the runbook that the last run brought: the task stores none, as after `jetty runbook run --remote`. */
const RunbookOfLastRun = ({ collection, task, read, places }: RunbookOfLastRunProps) => {
  const { data, error, refetch } = useQuery({
    queryKey: keys.runs(collection, task, 'runbook of the last run'),
    queryFn: ({ signal }) => api.listTrajectories({ params: { collection, task }, query: { limit: 1 }, signal }),
    staleTime: Number.POSITIVE_INFINITY, // a new run must not replace what somebody edits
  })
  if (error) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <main className="flex-1" />
  const run = data.trajectories[0]
  const text = textAt(run, places.instruction)
  if (run && text !== '') {
    const brought = { text, runId: run.trajectory_id }
    return <RunbookEditor collection={collection} task={task} read={read} places={places} brought={brought} />
  }
  return (
    <NoRunbook collection={collection} task={task} title="Each run of this task brings its own runbook">
      Nothing has run yet. Store a runbook with the task to edit it here.
    </NoRunbook>
  )
}

const NoRunbook = ({
  collection,
  task,
  title,
  children,
}: TaskPlaceProps & { title: string; children: React.ReactNode }) => (
  <main data-scroll-restoration-id="page" className="min-h-0 flex-1 overflow-auto">
    <h1 className="sr-only">Runbook of {task}</h1>
    <Empty title={title} command={`jetty runbook deploy RUNBOOK.md ${collection}/${task}`}>
      {children}
    </Empty>
  </main>
)

export default RunbookTab
