import { type DragEvent, useMemo, useState } from 'react'
import { isObject } from '../../../../src/lib/json/json-object.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { Problem } from '../../../parts/problem.tsx'
import { useKeys } from '../../../ui/keys.ts'
import { SaveBar } from '../definition/save-bar.tsx'
import type { TaskPlaceProps } from '../place.ts'
import { runCommand } from '../run/command.ts'
import { useDraft } from '../use-draft.ts'
import type { ReadTask } from '../use-task.ts'
import { AgentChoice } from './agent-choice.tsx'
import { parameterFields } from './parameter-fields.ts'
import { RunWith } from './run-with.tsx'
import { comesWithRun, type RunbookPlaces, valueAt } from './runbook-places.ts'
import { RunbookSplit, type RunbookView } from './runbook-split.tsx'
import { runbookTextOf, workflowWith } from './runbook-text.ts'
import { useRunForm } from './use-run-form.ts'
import { useRunbookCheck } from './use-runbook-check.ts'

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
export const RunbookEditor = ({ collection, task, read, places, brought }: RunbookEditorProps) => {
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
