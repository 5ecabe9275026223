import type { CompletionContext, CompletionResult, CompletionSource } from '@codemirror/autocomplete'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { type ReactNode, Suspense, useCallback, useMemo, useRef, useState } from 'react'
import type { RunbookFrontMatter, RunbookParameter, RunbookVerdict } from '../../../../src/model/runbooks/runbook.ts'
import type { RunbookAgent } from '../../../../src/model/runbooks/runbook-agents.ts'
import type { RunbookPreflight } from '../../../../src/model/runbooks/runbook-request.ts'
import { api } from '../../../data/api.ts'
import { useNarrow } from '../../../data/browser.ts'
import { lazyPart } from '../../../data/server-away.ts'
import { useSettled } from '../../../data/settled.ts'
import type { MarkdownHandle } from '../../../parts/editor/markdown-editor.tsx'
import type { LineColumn } from '../../../parts/editor/text-span.ts'
import { Problem } from '../../../parts/problem.tsx'
import { TabbedSplit } from '../../../parts/split.tsx'
import { withPlaces } from '../../../parts/with-places.ts'
import { CopyLine } from '../../../ui/copy.tsx'
import { Icon } from '../../../ui/icon.tsx'
import { StatusMark } from '../../../ui/status.tsx'

/** Something to complete a text with. */
interface RunbookCompletion {
  label: string
  detail?: string
  /** What is written instead of the label. */
  apply?: string
}

/** The completions for a place in a runbook, and where the word begins that they replace. */
interface RunbookCompletions {
  from: number
  options: RunbookCompletion[]
}

type KnownKey = Exclude<keyof { [Key in keyof RunbookFrontMatter as string extends Key ? never : Key]: 0 }, 'origin'>

const keys: Record<KnownKey, string> = {
  version: 'of the runbook, such as 1.0.0',
  evaluation: 'programmatic or rubric',
  agent: 'who carries it out',
  model: "by its provider's name",
  model_provider: 'anthropic, openrouter, openai, google, bedrock',
  snapshot: 'programs that the agent finds',
  image: 'of a container',
  timeout_sec: '1200 by default',
  cpus: '4 by default',
  memory: '8G by default',
  network_enabled: 'false: the model only',
  allowed_hosts: 'the only hosts it reaches',
  secrets: 'variables that it is given',
  primary_outputs: 'the result that is shown first',
  verify: 'the check that decides',
}

const values: Partial<Record<string, readonly string[]>> = {
  agent: ['claude-code', 'codex', 'gemini-cli', 'opencode', 'scripted'] satisfies RunbookAgent[],
  evaluation: ['programmatic', 'rubric'],
  model_provider: ['anthropic', 'openrouter', 'openai', 'google', 'bedrock'],
  network_enabled: ['true', 'false'],
}

/** Whether a place is between the lines that enclose the front matter. */
const isInFrontMatter = (before: string): boolean => /^---[ \t]*\n/.test(before) && !/\n---[ \t]*\n/.test(before)

/** What a runbook can go on with at a place: its parameters within `{{`, keys and values in its front matter. */
export const runbookCompletions = (text: string, at: number, parameters: readonly string[]): RunbookCompletions => {
  const before = text.slice(0, at)
  const line = before.slice(before.lastIndexOf('\n') + 1)
  const name = /\{\{\s*([\w.-]*)$/.exec(line)?.[1]
  if (name !== undefined) {
    const end = text.startsWith('}}', at) ? '' : '}}'
    const names = [...new Set(['results_dir', ...parameters])]
    return { from: at - name.length, options: names.map((label) => ({ label, apply: label + end })) }
  }
  if (!isInFrontMatter(before)) return { from: at, options: [] }
  const [, key = '', value = ''] = /^([\w-]+):\s+(\S*)$/.exec(line) ?? []
  if (key !== '') return { from: at - value.length, options: (values[key] ?? []).map((label) => ({ label })) }
  if (!/^[\w-]*$/.test(line)) return { from: at, options: [] }
  const options = Object.entries(keys).map(([label, detail]) => ({ label, detail, apply: `${label}: ` }))
  return { from: at - line.length, options }
}

/** Something to mend in a runbook, or in what a run of it needs. */
interface EditorFinding {
  severity: 'error' | 'warning'
  message: string
  /** What to write instead, or to do. */
  fix: string | null
  /** Where it stands in the text; undefined: it is no matter of the text. */
  place: LineColumn | undefined
  /** Rule of the format, such as `V2`, or what was checked. */
  rule: string
  /** Field of the run that it is about. */
  field: string | null
}

const longestFrontMatter = 200

/** Where a key of the front matter stands. */
export const frontMatterPlace = (text: string, key: string): LineColumn | undefined => {
  const lines = text.split('\n', longestFrontMatter)
  if (lines[0]?.trim() !== '---') return undefined
  for (const [at, line] of lines.entries()) {
    if (at > 0 && line.trim() === '---') return undefined
    if (line.startsWith(key) && /^\s*:/.test(line.slice(key.length))) return { line: at + 1, column: 1 }
  }
  return undefined
}

const inText = (list: RunbookVerdict['errors'], severity: EditorFinding['severity']): EditorFinding[] =>
  list.map(({ line, column, rule, message, fix }) => ({
    severity,
    message,
    fix,
    place: { line, column },
    rule,
    field: null,
  }))

/** A preflight repeats the faults of the text, which the validation tells with their places. */
const isRepeated = ({ name, state }: RunbookPreflight['checks'][number]): boolean =>
  name === 'runbook' && state === 'failed'

/** What is to mend, errors first; what is about the text, with its place there. */
export const findingsOf = (
  text: string,
  verdict: RunbookVerdict | undefined,
  preflight: Pick<RunbookPreflight, 'checks'> | undefined,
): EditorFinding[] => {
  const checks = (preflight?.checks ?? []).filter((check) => check.state !== 'ok' && !isRepeated(check))
  const errors = inText(verdict?.errors ?? [], 'error')
  const found: EditorFinding[] = [
    ...errors,
    ...checks.map(
      ({ name, state, found: message, fix, field }): EditorFinding => ({
        severity: state === 'failed' ? 'error' : 'warning',
        message,
        fix,
        place: frontMatterPlace(text, field ?? name),
        rule: name,
        field,
      }),
    ),
    ...inText(verdict?.warnings ?? [], 'warning'),
  ]
  // What the text is wrong about is told once, with its rule.
  const lines = new Set(errors.map(({ place }) => place?.line))
  const isTold = (one: EditorFinding) =>
    !errors.includes(one) && one.severity === 'error' && lines.has(one.place?.line ?? 0)
  return found.filter((one) => !isTold(one)).sort((one, other) => one.severity.localeCompare(other.severity))
}

/** What is checked: the text, and what a run of it would be given. */
interface CheckedRunbook {
  collection: string
  content: string
  /** Empty: what the runbook says. */
  agent: string
  model: string
  vars: Readonly<Record<string, unknown>>
}

const settings = { placeholderData: keepPreviousData, staleTime: 5_000, gcTime: 10_000 }

/** What the server finds in a runbook that is being written, and whether it could run now. */
export const useRunbookCheck = (runbook: CheckedRunbook) => {
  const settled = useSettled(JSON.stringify(runbook))
  const { collection, content, agent, model, vars } = useMemo(() => JSON.parse(settled) as CheckedRunbook, [settled])
  const isOn = content.trim() !== ''
  const validation = useQuery({
    ...settings,
    queryKey: ['runbook-validation', content],
    enabled: isOn,
    queryFn: ({ signal }) => api.validateRunbook({ body: { content }, signal }),
  })
  const preflight = useQuery({
    ...settings,
    queryKey: ['runbook-preflight', settled],
    enabled: isOn,
    queryFn: ({ signal }) =>
      api.preflightRunbook({
        body: { collection, content, agent: agent || null, model: model || null, template_variables: vars },
        signal,
      }),
  })
  const findings = useMemo(
    () => (isOn ? findingsOf(content, validation.data, preflight.data) : []),
    [isOn, content, validation.data, preflight.data],
  )
  return {
    findings,
    isEmpty: !isOn,
    parameters: validation.data?.parameters,
    preflight: isOn ? preflight.data : undefined,
    error: validation.error ?? preflight.error,
  }
}

interface ChecksPanelProps {
  collection: string
  findings: readonly EditorFinding[]
  preflight: RunbookPreflight | undefined
  /** Whether there is no text to check. */
  isEmpty: boolean
  /** Leads to what is to be mended: a place in the text, or the form of a run. */
  onShow: (finding: EditorFinding) => void
}

/** What is to mend before a run, each with its place and what to type; then what was found in order. */
const ChecksPanel = ({ collection, findings, preflight, isEmpty, onShow }: ChecksPanelProps) => {
  const passed = preflight?.checks.filter(({ state }) => state === 'ok') ?? []
  return (
    <div className="flex flex-col gap-3 py-2">
      <p className="px-4 font-medium" aria-live="polite">
        <Verdict findings={findings} preflight={preflight} isEmpty={isEmpty} />
      </p>
      {findings.length > 0 && (
        <ul aria-label="To mend">
          {withPlaces(findings).map(({ element, place }) => (
            <FindingRow key={place} finding={element} onShow={() => onShow(element)} />
          ))}
        </ul>
      )}
      {(preflight?.missing_secrets.length ?? 0) > 0 && (
        <section aria-label="Missing secrets" className="flex flex-col gap-2 px-4">
          <p className="text-12 text-muted">Keep a secret in the collection; the command asks for its value:</p>
          {preflight?.missing_secrets.map((name) => (
            <CopyLine key={name} text={`jetty env set ${collection} ${name}`} />
          ))}
        </section>
      )}
      {passed.length > 0 && (
        <section aria-label="In order" className="px-4">
          <h2 className="mb-1 font-medium text-12 text-muted">In order</h2>
          <ul className="flex flex-col gap-0.5">
            {withPlaces(passed).map(({ element: { name, found }, place }) => (
              <li key={place} className="flex items-start gap-2">
                <StatusMark of="completed" label="ok" className="mt-0.5" />
                <span className="min-w-0 break-words">
                  <span className="text-muted">{name}</span> {found}
                </span>
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  )
}

const Verdict = ({ findings, preflight, isEmpty }: Pick<ChecksPanelProps, 'findings' | 'preflight' | 'isEmpty'>) => {
  if (isEmpty) return <span className="text-muted">Write a runbook to have it checked</span>
  const errors = findings.filter(({ severity }) => severity === 'error').length
  if (errors > 0)
    return <span className="text-bad">{errors === 1 ? '1 fault to mend' : `${errors} faults to mend`}</span>
  if (!preflight) return <span className="text-muted">Being checked …</span>
  return <>Ready to run{preflight.agent ? ` with ${preflight.agent}` : ''}</>
}

const FindingRow = ({ finding, onShow }: { finding: EditorFinding; onShow: () => void }) => {
  const { severity, message, fix, place, rule } = finding
  const isError = severity === 'error'
  return (
    <li>
      <button type="button" onClick={onShow} className="flex w-full gap-2 px-4 py-1.5 text-left hover:bg-sunk">
        <Icon
          name={isError ? 'cross' : 'warning'}
          label={isError ? 'Error' : 'Warning'}
          className={`mt-0.5 ${isError ? 'text-bad' : 'text-wait'}`}
        />
        <span className="min-w-0 flex-1">
          <span className="break-words">{message}</span>
          {fix && <span className="block break-words text-12 text-muted">{fix}</span>}
        </span>
        <code className="text-11 text-faint">{place ? `${rule} ${place.line}:${place.column}` : rule}</code>
      </button>
    </li>
  )
}

/** Completes parameters and the front matter while a runbook is typed. */
const useRunbookCompletion = (parameters: readonly RunbookParameter[] | undefined): CompletionSource => {
  const known = useRef<readonly string[]>([])
  known.current = parameters?.map(({ name }) => name) ?? known.current
  return useCallback(({ state, pos }: CompletionContext): CompletionResult | null => {
    const { from, options } = runbookCompletions(state.doc.toString(), pos, known.current)
    return options.length === 0 ? null : { from, options, validFor: /^[\w.-]*$/ }
  }, [])
}

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
    <TabbedSplit<RunbookView>
      label="checks and parameters"
      stored="runbook-panel"
      isOpen={isOpen}
      onOpen={setOpen}
      open="Checks and parameters"
      views="Beside the runbook"
      tabs={[
        { name: 'checks', text: 'Checks', count: String(check.findings.length) },
        { name: 'form', text: 'Run with' },
      ]}
      current={view}
      onSelect={onView}
      panel={
        <>
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
        </>
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
    </TabbedSplit>
  )
}
