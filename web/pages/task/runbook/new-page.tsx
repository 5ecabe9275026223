import { useMutation, useQuery } from '@tanstack/react-query'
import { useBlocker, useNavigate, useParams } from '@tanstack/react-router'
import { useRef, useState } from 'react'
import { isObject } from '../../../../src/lib/json/json-object.ts'
import { api } from '../../../data/api.ts'
import { useTitle } from '../../../data/browser.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { SelectField, TextField } from '../../../ui/field.tsx'
import { keysText, useKeys } from '../../../ui/keys.ts'
import { AgentChoice } from './agent-choice.tsx'
import { RunbookSplit, type RunbookView, useRunbookCheck } from './runbook-split.tsx'

const templates = [
  ['programmatic', 'checked by statuses'],
  ['rubric', 'scored by a rubric'],
] as const
type TemplateName = (typeof templates)[number][0]

const readTemplate = (evaluation: TemplateName, signal?: AbortSignal) =>
  api.getRunbookTemplate({ query: { evaluation }, ...(signal && { signal }) })
type Template = Awaited<ReturnType<typeof readTemplate>>

/** A runbook to be written, and the task that it becomes. */
export const NewRunbookPage = () => {
  const { collection = '' } = useParams({ strict: false })
  useTitle('New runbook', collection)
  const [name, setName] = useState<TemplateName>('programmatic')
  const template = useQuery({
    queryKey: ['runbook-template', name],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: ({ signal }) => readTemplate(name, signal),
  })
  if (template.error) return <Problem error={template.error} onRetry={() => void template.refetch()} />
  if (!template.data) return <main className="flex-1" />
  return (
    <NewRunbook key={name} collection={collection} template={template.data} templateName={name} onTemplate={setName} />
  )
}

interface NewRunbookProps {
  collection: string
  template: Template
  templateName: TemplateName
  onTemplate: (name: TemplateName) => void
}

/** The task that the template describes, with what was written in place of its text. */
const taskOf = ({ task }: Template, params: Record<string, unknown>) => ({
  ...task,
  workflow: {
    ...task.workflow,
    init_params: { ...(isObject(task.workflow.init_params) ? task.workflow.init_params : {}), ...params },
  },
})

const NewRunbook = ({ collection, template, templateName, onTemplate }: NewRunbookProps) => {
  const navigate = useNavigate()
  const mayWrite = useMayWrite()
  const [task, setTask] = useState('')
  const [text, setText] = useState(template.content)
  const [agent, setAgent] = useState('')
  const [model, setModel] = useState('')
  const [view, setView] = useState<RunbookView>('checks')
  const isCreated = useRef(false)
  const nameField = useRef<HTMLInputElement>(null)
  const check = useRunbookCheck({ collection, content: text, agent, model, vars: {} })
  const create = useMutation({
    mutationFn: () =>
      api.createTask({
        params: { collection },
        body: {
          name: task.trim(),
          ...taskOf(template, { instruction: text, agent: agent || null, model: model || null }),
        },
      }),
    onSuccess: (made) => {
      isCreated.current = true
      return navigate({ to: '/$collection/$task', params: { collection, task: made.name }, search: { tab: 'runbook' } })
    },
  })
  const isChanged = text !== template.content
  useBlocker({
    shouldBlockFn: () => isChanged && !isCreated.current && !window.confirm('Leave without creating the task?'),
    enableBeforeUnload: () => isChanged && !isCreated.current,
  })
  const mayCreate = mayWrite && task.trim() !== '' && !create.isPending
  const submit = () => {
    if (mayCreate) create.mutate()
    else nameField.current?.focus()
  }
  useKeys('New runbook', [{ keys: 'mod+s', does: 'Create the task', run: submit }])
  return (
    <main className="flex min-h-0 flex-1 flex-col">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          submit()
        }}
        className="flex shrink-0 flex-wrap items-end gap-3 border-line border-b px-4 py-2"
      >
        <h1 className="mr-auto self-center font-semibold text-15">New runbook</h1>
        <SelectField
          label="Template"
          value={templateName}
          options={templates}
          onChange={(event) => {
            if (isChanged && !window.confirm('Replace what you have written by the template?')) return
            onTemplate(event.target.value as TemplateName)
          }}
        />
        <TextField
          ref={nameField}
          label="Name of the task"
          placeholder="weekly-report"
          value={task}
          onChange={(event) => setTask(event.target.value)}
          isCode
        />
        <Button type="submit" look="main" title={`Create ${keysText('mod+s')}`} disabled={!mayCreate}>
          {create.isPending ? 'Creating …' : 'Create'}
        </Button>
      </form>
      {create.error && <Problem error={create.error} />}
      <RunbookSplit
        collection={collection}
        label="New runbook"
        text={text}
        opened="new"
        onChange={setText}
        onSave={submit}
        onRun={undefined}
        isReadOnly={!mayWrite}
        check={check}
        view={view}
        onView={setView}
        form={
          <AgentChoice
            collection={collection}
            agent={agent}
            model={model}
            onAgent={setAgent}
            onModel={setModel}
            preflight={check.preflight}
          />
        }
      />
    </main>
  )
}
