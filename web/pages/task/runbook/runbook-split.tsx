import { type ReactNode, Suspense, useMemo, useRef, useState } from 'react'
import { useNarrow } from '../../../data/narrow.ts'
import { lazyPart } from '../../../data/server-away.ts'
import { useStored, writeStored } from '../../../data/stored.ts'
import type { MarkdownHandle } from '../../../parts/editor/markdown-editor.tsx'
import { Problem } from '../../../parts/problem.tsx'
import { Button, IconButton } from '../../../ui/button.tsx'
import { Split } from '../../../ui/split.tsx'
import { Tabs } from '../../../ui/tabs.tsx'
import { ChecksPanel } from './checks-panel.tsx'
import type { EditorFinding } from './findings.ts'
import type { useRunbookCheck } from './use-runbook-check.ts'
import { useRunbookCompletion } from './use-runbook-completion.ts'

const MarkdownEditor = lazyPart(() => import('../../../parts/editor/markdown-editor.tsx'))

interface RunbookSplitProps {
  collection: string
  label: string
  /** The text at first; another `opened` replaces it. */
  text: string
  opened: string
  onChange: (text: string) => void
  onSave: () => void
  onRun: (() => void) | undefined
  isReadOnly: boolean
  check: ReturnType<typeof useRunbookCheck>
  /** Who carries it out, with what. */
  form: ReactNode
  view: RunbookView
  onView: (view: RunbookView) => void
}

/** What stands beside the text of a runbook. */
export type RunbookView = 'checks' | 'form'

/** The text of a runbook, and beside it what is to mend and what a run of it is given. */
export const RunbookSplit = (props: RunbookSplitProps) => {
  const { collection, check, form, view, onView, onRun } = props
  const isNarrow = useNarrow()
  const [isOpen, setOpen] = useState(!isNarrow)
  const percent = Number(useStored('runbook-panel') ?? 40)
  const complete = useRunbookCompletion(check.parameters)
  const editor = useRef<MarkdownHandle>(null)
  const problems = useMemo(
    () => check.findings.flatMap(({ place, ...finding }) => (place ? [{ ...finding, ...place }] : [])),
    [check.findings],
  )
  const show = ({ place, field }: EditorFinding) => {
    if (!place && field === null) return
    if (!place) return onView('form')
    if (isNarrow) setOpen(false)
    editor.current?.show(place)
  }
  return (
    <Split
      label="checks and parameters"
      percent={percent}
      onResize={(next) => writeStored('runbook-panel', String(next))}
      panel={
        isOpen && (
          <div className="flex h-full flex-col">
            <div className="flex shrink-0 items-center border-line border-b pr-2">
              <Tabs<RunbookView>
                label="Beside the runbook"
                className="min-w-0 flex-1 px-4"
                current={view}
                onSelect={onView}
                tabs={[
                  { name: 'checks', text: 'Checks', count: String(check.findings.length) },
                  { name: 'form', text: 'Run with' },
                ]}
              />
              <IconButton icon="cross" label="Close the panel" onClick={() => setOpen(false)} />
            </div>
            <div role="tabpanel" aria-label={view} className="flex min-h-0 flex-1 flex-col overflow-auto">
              {check.error && <Problem error={check.error} />}
              {view === 'checks' ? (
                <ChecksPanel
                  collection={collection}
                  findings={check.findings}
                  preflight={check.preflight}
                  isEmpty={check.isEmpty}
                  onShow={show}
                />
              ) : (
                <div className="flex flex-col gap-4 p-4">{form}</div>
              )}
            </div>
          </div>
        )
      }
    >
      <Suspense>
        <MarkdownEditor
          key={props.opened}
          label={props.label}
          text={props.text}
          onChange={props.onChange}
          problems={problems}
          isReadOnly={props.isReadOnly}
          complete={complete}
          onSave={props.onSave}
          {...(onRun && { onRun })}
          handle={editor}
        />
      </Suspense>
      {!isOpen && (
        <Button icon="panel" className="absolute right-4 bottom-4" onClick={() => setOpen(true)}>
          Checks and parameters
        </Button>
      )}
    </Split>
  )
}
