import { useMutation } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type DragEvent, useMemo, useState } from 'react'
import { AppError } from '../../../../src/lib/errors.ts'
import { parsedObject } from '../../../../src/lib/json/json-object.ts'
import { api } from '../../../data/api.ts'
import { useTitle } from '../../../data/browser.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { EconomyBox } from '../../../parts/economy-box.tsx'
import { RunEstimate } from '../../../parts/estimate.tsx'
import { runHref } from '../../../parts/page-link.tsx'
import { Problem } from '../../../parts/problem.tsx'
import { formFields, formParams } from '../../../parts/schema-form/form-fields.ts'
import { SchemaForm } from '../../../parts/schema-form/schema-form.tsx'
import { enteredVersion, VersionField } from '../../../parts/versions/version-field.tsx'
import { Button } from '../../../ui/button.tsx'
import { CopyLine } from '../../../ui/copy.tsx'
import { useKeys } from '../../../ui/keys.ts'
import { type ReadTask, type TaskPlaceProps, useTask } from '../use-task.ts'
import { runCommand } from './command.ts'
import { FileDrop } from './file-drop.tsx'

/** The sentences of a 422 about parameters, by the name of the parameter. */
export const errorsByName = (error: unknown): Record<string, string> => {
  if (!(error instanceof AppError)) return {}
  const found = (error.issues ?? []).flatMap(({ loc, msg }): [string, string][] => {
    const at = loc.indexOf('init_params')
    const name = loc[at + 1]
    return at < 0 || name === undefined ? [] : [[String(name), msg]]
  })
  return Object.fromEntries(found)
}

/** Starts a run of a task. */
const RunTab = ({ collection, task }: TaskPlaceProps) => {
  useTitle('Run', task, collection)
  const read = useTask(collection, task)
  if (read.error && !read.data) return <Problem error={read.error} onRetry={() => void read.refetch()} />
  return read.data ? <RunForm collection={collection} task={task} read={read.data} /> : <main className="flex-1" />
}

const RunForm = ({ collection, task, read }: TaskPlaceProps & { read: ReadTask }) => {
  const navigate = useNavigate()
  const mayWrite = useMayWrite()
  const { input_schema: schema, workflow } = read.task
  const fields = useMemo(
    () => formFields(schema, parsedObject(JSON.stringify(workflow.init_params ?? {})) ?? {}),
    [schema, workflow],
  )
  const [entries, setEntries] = useState<Record<string, string>>({})
  const [files, setFiles] = useState<readonly File[]>([])
  const [version, setVersion] = useState('')
  const [isPatient, setIsPatient] = useState(false)
  const [wasSent, setSent] = useState(false)
  const { params, errors } = formParams(fields, entries)
  const start = useMutation({
    mutationFn: () =>
      api.runTask({
        params: { collection, task },
        query: { preflight: 'refuse' },
        body: { init_params: params, ...enteredVersion(version), ...(isPatient && { economy: 'batch' as const }) },
        files: files.map((file) => ({ field: 'files', name: file.name, content: file })),
      }),
  })
  // Only while the page is there: whoever left it during an upload stays elsewhere.
  const open = ({ trajectory_id }: { trajectory_id: string }) =>
    void navigate({ href: runHref({ collection, task, trajectory_id }) })
  const submit = () => {
    setSent(true)
    if (mayWrite && Object.keys(errors).length === 0 && !start.isPending) start.mutate(undefined, { onSuccess: open })
  }
  useKeys('Run', [{ keys: 'mod+enter', does: 'Run the task', run: submit }])
  const add = (more: Iterable<File>) => {
    const added = [...more] // a dropped list is empty once its event is over
    setFiles((were) => [...were, ...added])
  }
  const onDrop = (event: DragEvent) => {
    if (event.dataTransfer.files.length === 0) return
    event.preventDefault()
    add(event.dataTransfer.files)
  }
  return (
    <main
      data-scroll-restoration-id="page"
      className="min-h-0 flex-1 overflow-auto"
      onDrop={onDrop}
      onDragOver={(event) => event.preventDefault()}
    >
      <form
        className="mx-auto flex max-w-180 flex-col gap-5 px-4 py-6"
        onSubmit={(event) => {
          event.preventDefault()
          submit()
        }}
      >
        <div>
          <h1 className="font-semibold text-20">Run {task}</h1>
          {read.task.description && <p className="mt-1 text-muted">{read.task.description}</p>}
        </div>
        {fields.length === 0 && <p className="text-muted">This task has no parameters.</p>}
        <SchemaForm
          fields={fields}
          entries={entries}
          errors={{ ...errorsByName(start.error), ...(wasSent ? errors : {}) }}
          onEnter={(name, entry) => setEntries((were) => ({ ...were, [name]: entry }))}
        />
        <FileDrop
          files={files}
          onAdd={add}
          onRemove={(file) => setFiles((were) => were.filter((one) => one !== file))}
        />
        <VersionField place={{ collection, task }} value={version} onChange={setVersion} />
        <EconomyBox isPatient={isPatient} onChange={setIsPatient} />
        {start.error && <Problem error={start.error} />}
        <div className="flex flex-wrap items-center gap-3">
          <Button type="submit" look="main" icon="play" disabled={!mayWrite || start.isPending}>
            {start.isPending ? 'Starting …' : 'Run'}
          </Button>
          {!mayWrite && <span className="text-muted">Your key may read only.</span>}
          <RunEstimate place={{ collection, task }} version={version} />
        </div>
        <section>
          <h2 className="mb-1 font-medium text-12 text-muted">The same from a terminal</h2>
          <CopyLine
            text={runCommand({
              collection,
              task,
              version: version.trim(),
              isPatient,
              params,
              files: files.map(({ name }) => name),
            })}
          />
        </section>
      </form>
    </main>
  )
}

export default RunTab
