import { useMutation } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { Suspense, useRef, useState } from 'react'
import { prettyJson } from '../../../../src/lib/json/pretty-json.ts'
import { api } from '../../../data/api.ts'
import { lazyPart } from '../../../data/server-away.ts'
import { readStored, writeStored } from '../../../data/stored.ts'
import { useTitle } from '../../../data/title.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import type { EditorHandle } from '../../../parts/editor/json-editor.tsx'
import { errorText, Problem } from '../../../parts/problem.tsx'
import { Button, IconButton } from '../../../ui/button.tsx'
import { Split } from '../../../ui/split.tsx'
import { Tabs } from '../../../ui/tabs.tsx'
import { showToast } from '../../../ui/toast.tsx'
import type { TaskPlaceProps } from '../place.ts'
import { useDraft } from '../use-draft.ts'
import { type ReadTask, useTask } from '../use-task.ts'
import { useCompletion } from './completion.ts'
import { AddStep } from './form/add-step.tsx'
import { ProblemList } from './problem-list.tsx'
import { SaveBar } from './save-bar.tsx'
import { StepList } from './step-list.tsx'
import { TryPanel } from './try-panel.tsx'
import { useWorkflowCheck } from './use-check.ts'

/** Runs the failed run that led here again, from its failed step, with what was saved. */
const RunAgain = ({ place: { collection, task } }: { place: TaskPlaceProps }) => {
  const navigate = useNavigate()
  const { mends, from } = useSearch({ strict: false }) as { mends?: string; from?: string }
  const rerun = useMutation({
    mutationFn: (id: string) =>
      api.rerunTrajectory({
        params: { collection, task, trajectory_id: id },
        body: { init_params: {}, version: 'current', mode: 'run', ...(from === undefined ? {} : { from_step: from }) },
      }),
    onSuccess: ({ trajectory_id: id }) =>
      void navigate({ to: '/$collection/$task/$id', params: { collection, task, id } }),
    onError: (error) => showToast({ text: errorText(error), isBad: true }),
  })
  if (mends === undefined) return null
  return (
    <Button look="main" icon="again" disabled={rerun.isPending} onClick={() => rerun.mutate(mends)}>
      Run {mends} again
    </Button>
  )
}

const WorkflowGraphView = lazyPart(() => import('./graph.tsx'))
const JsonEditor = lazyPart(() => import('../../../parts/editor/json-editor.tsx'))

/** The workflow of a task: text, picture and problems of one document. */
const DefinitionTab = ({ collection, task }: TaskPlaceProps) => {
  useTitle('Definition', task, collection)
  const read = useTask(collection, task)
  if (read.error && !read.data) return <Problem error={read.error} onRetry={() => void read.refetch()} />
  return read.data ? <Definition collection={collection} task={task} read={read.data} /> : <main className="flex-1" />
}

type View = 'problems' | 'steps' | 'graph'

/** Text and panel side by side need 768 px; below that the panel covers the text. */
const isNarrow = (): boolean => window.matchMedia('(max-width: 767px)').matches

const Definition = ({ collection, task, read }: TaskPlaceProps & { read: ReadTask }) => {
  const mayWrite = useMayWrite()
  const draft = useDraft(
    read,
    ({ workflowText }) => prettyJson(workflowText),
    ({ workflowText }, edited) => edited !== prettyJson(workflowText),
  )
  const { base, edited: text, isChanged } = draft

  const { check, error, isBroken } = useWorkflowCheck(collection, task, text)
  const complete = useCompletion(check?.steps ?? [])
  const editor = useRef<EditorHandle>(null)
  const { from } = useSearch({ strict: false })
  const [chosenView, setView] = useState<View>()
  const [step, setStep] = useState<string>()
  const [isOpen, setOpen] = useState(() => !isNarrow())
  const [percent, setPercent] = useState(() => Number(readStored('definition-panel') ?? 40))
  const choose = (name: string) => {
    setStep(name)
    setView('steps')
    editor.current?.show(`/step_configs/${name}`)
  }
  const showInText = (pointer: string) => {
    if (isNarrow()) setOpen(false)
    editor.current?.show(pointer)
  }
  const problems = check?.problems ?? []
  const view = chosenView ?? (problems.length > 0 ? 'problems' : 'steps')
  const known = check?.steps.some(({ name }) => name === step) ? step : undefined
  return (
    <main className="flex min-h-0 flex-1 flex-col">
      <h1 className="sr-only">Definition of {task}</h1>
      <SaveBar
        place={{ collection, task }}
        base={base}
        text={text}
        isChanged={isChanged}
        isBroken={isBroken}
        mayWrite={mayWrite}
        onSaved={draft.saved}
        onReset={draft.reset}
        next={<RunAgain place={{ collection, task }} />}
      />
      <Split
        label="steps and problems"
        percent={percent}
        onResize={(next) => {
          setPercent(next)
          writeStored('definition-panel', String(next))
        }}
        panel={
          isOpen && (
            <div className="flex h-full flex-col">
              <div className="flex shrink-0 items-center border-line border-b pr-2">
                <Tabs<View>
                  label="Views of the workflow"
                  className="min-w-0 flex-1 px-4"
                  current={view}
                  onSelect={setView}
                  tabs={[
                    { name: 'graph', text: 'Graph' },
                    { name: 'steps', text: 'Steps', count: String(check?.steps_total ?? 0) },
                    { name: 'problems', text: 'Problems', count: String(problems.length) },
                  ]}
                />
                <IconButton icon="cross" label="Close the panel" onClick={() => setOpen(false)} />
              </div>
              <div role="tabpanel" className="flex min-h-0 flex-1 flex-col overflow-auto">
                {error && <Problem error={error} />}
                {view === 'problems' && <ProblemList problems={problems} isBroken={isBroken} onShow={showInText} />}
                {view === 'graph' && check && (
                  <Suspense>
                    <WorkflowGraphView check={check} chosen={step} onChoose={choose} />
                  </Suspense>
                )}
                {view === 'steps' && check && known === undefined && (
                  <>
                    <StepList check={check} onChoose={choose} />
                    {mayWrite && !isBroken && <AddStep workflowText={text} editor={editor} onAdded={choose} />}
                  </>
                )}
                {view === 'steps' && check && known !== undefined && (
                  <TryPanel
                    key={known}
                    {...{ collection, task, check }}
                    workflowText={text}
                    step={known}
                    mayTry={mayWrite && !isBroken}
                    {...{ mayWrite, editor }}
                    onClose={() => setStep(undefined)}
                  />
                )}
              </div>
            </div>
          )
        }
      >
        <Suspense>
          <JsonEditor
            key={`${base.task.id} ${draft.opened}`}
            label={`Workflow of ${task}`}
            text={text}
            onChange={draft.setEdited}
            problems={problems}
            isReadOnly={!mayWrite}
            complete={complete}
            onSave={() => document.getElementById('save-workflow')?.click()}
            handle={editor}
            first={from === undefined ? undefined : `/step_configs/${from}`}
          />
        </Suspense>
        {!isOpen && (
          <Button icon="panel" className="absolute right-4 bottom-4" onClick={() => setOpen(true)}>
            Steps and problems
          </Button>
        )}
      </Split>
    </main>
  )
}

export default DefinitionTab
