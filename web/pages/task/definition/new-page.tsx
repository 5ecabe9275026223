import { useMutation } from '@tanstack/react-query'
import { useBlocker, useNavigate, useParams } from '@tanstack/react-router'
import { Suspense, useRef, useState } from 'react'
import { api } from '../../../data/api.ts'
import { useNarrow, useTitle } from '../../../data/browser.ts'
import { lazyPart } from '../../../data/server-away.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import type { EditorHandle } from '../../../parts/editor/json-editor.tsx'
import { Problem } from '../../../parts/problem.tsx'
import { Split } from '../../../parts/split.tsx'
import { Button, IconButton } from '../../../ui/button.tsx'
import { TextField } from '../../../ui/field.tsx'
import { keysText, useKeys } from '../../../ui/keys.ts'
import { useCompletion } from './completion.ts'
import { AddStep } from './form/add-step.tsx'
import { StepEditor } from './form/step-editor.tsx'
import { ProblemList } from './problem-list.tsx'
import { StepList } from './step-list.tsx'
import { useWorkflowCheck } from './use-check.ts'

const JsonEditor = lazyPart(() => import('../../../parts/editor/json-editor.tsx'))

/** A workflow that runs as it stands: its model needs no key. */
const firstWorkflow = `${JSON.stringify(
  {
    init_params: { model: 'scripted/echo', question: 'What is a jetty?' },
    step_configs: {
      ask: { activity: 'litellm_chat', model_path: 'init_params.model', prompt_path: 'init_params.question' },
    },
    steps: ['ask'],
  },
  null,
  2,
)}\n`

/** A workflow to be written, and the task that it becomes. */
export const NewTaskPage = () => {
  const { collection = '' } = useParams({ strict: false })
  useTitle('New task', collection)
  const navigate = useNavigate()
  const mayWrite = useMayWrite()
  const [name, setName] = useState('')
  const [text, setText] = useState(firstWorkflow)
  const isCreated = useRef(false)
  const nameField = useRef<HTMLInputElement>(null)
  const editor = useRef<EditorHandle>(null)
  const { check, error, isBroken } = useWorkflowCheck(collection, name.trim() || 'new-task', text)
  const complete = useCompletion(check?.steps ?? [])
  const create = useMutation({
    mutationFn: () =>
      api.createTask({ params: { collection }, body: { name: name.trim(), workflow: JSON.parse(text) } }),
    onSuccess: (made) => {
      isCreated.current = true
      return navigate({ to: '/$collection/$task', params: { collection, task: made.name }, search: { tab: 'run' } })
    },
  })
  const isChanged = text !== firstWorkflow
  useBlocker({
    shouldBlockFn: () => isChanged && !isCreated.current && !window.confirm('Leave without creating the task?'),
    enableBeforeUnload: () => isChanged && !isCreated.current,
  })
  const mayCreate = mayWrite && !isBroken && name.trim() !== '' && !create.isPending
  const submit = () => {
    if (mayCreate) create.mutate()
    else nameField.current?.focus()
  }
  useKeys('New task', [{ keys: 'mod+s', does: 'Create the task', run: submit }])
  const [step, setStep] = useState<string>()
  const known = check?.steps.some(({ name: one }) => one === step) ? step : undefined
  const show = (pointer: string) => editor.current?.show(pointer)
  const choose = (name: string) => {
    setStep(name)
    show(`/step_configs/${name}`)
  }
  const isNarrow = useNarrow()
  const findings = (
    <>
      {error && <Problem error={error} />}
      <ProblemList problems={check?.problems ?? []} isBroken={isBroken} onShow={show} />
      {check && known === undefined && (
        <>
          <StepList check={check} onChoose={choose} />
          {mayWrite && !isBroken && <AddStep workflowText={text} editor={editor} onAdded={choose} />}
        </>
      )}
      {check && known !== undefined && (
        <div className="flex flex-col gap-4 p-4">
          <div className="flex items-center gap-2">
            <IconButton icon="left" label="All steps" onClick={() => setStep(undefined)} />
            <h2 className="min-w-0 flex-1 truncate font-semibold text-15">{known}</h2>
          </div>
          <StepEditor key={known} {...{ check, editor }} workflowText={text} step={known} isReadOnly={!mayWrite} />
        </div>
      )}
    </>
  )
  return (
    <main className="flex min-h-0 flex-1 flex-col">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          submit()
        }}
        className="flex shrink-0 flex-wrap items-end gap-3 border-line border-b px-4 py-2"
      >
        <h1 className="mr-auto self-center font-semibold text-15">New task</h1>
        <TextField
          ref={nameField}
          label="Name of the task"
          placeholder="answer-a-question"
          value={name}
          onChange={(event) => setName(event.target.value)}
          isCode
          autoFocus
        />
        <Button type="submit" look="main" title={`Create ${keysText('mod+s')}`} disabled={!mayCreate}>
          {create.isPending ? 'Creating …' : 'Create'}
        </Button>
      </form>
      {create.error && <Problem error={create.error} />}
      <Split
        label="problems and steps"
        stored="definition-panel"
        first={40}
        panel={!isNarrow && <div className="h-full overflow-auto">{findings}</div>}
      >
        <Suspense>
          <JsonEditor
            label="Workflow of the new task"
            text={text}
            onChange={setText}
            problems={check?.problems ?? []}
            isReadOnly={!mayWrite}
            complete={complete}
            onSave={submit}
            handle={editor}
          />
        </Suspense>
      </Split>
      {isNarrow && <div className="max-h-1/2 shrink-0 overflow-auto border-line border-t">{findings}</div>}
    </main>
  )
}
