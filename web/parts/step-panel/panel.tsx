import { useQueries, useQuery } from '@tanstack/react-query'
import { type ReactNode, useMemo, useState } from 'react'
import type { ErrorRecord } from '../../../src/model/runs/error-record.ts'
import type { LargeValue } from '../../../src/model/runs/step.ts'
import type { StepAttempt } from '../../../src/model/runs/step-attempts.ts'
import type { StepCall } from '../../../src/model/runs/step-call.ts'
import { isCarriedOver, type Run, type RunAddress, type RunStep, type WholeStep } from '../../data/run.ts'
import { largeValueQuery, stepCallsQuery, useRunLog, useWholeStep } from '../../data/run-query.ts'
import { countText, usdText } from '../../text/numbers.ts'
import { clockText, durationText } from '../../text/times.ts'
import { StatusMark, statusWord } from '../../ui/status.tsx'
import { Tabs } from '../../ui/tabs.tsx'
import { asksModel, type Conversation, conversationOf } from '../conversation/conversation.ts'
import { ConversationView } from '../conversation/conversation-view.tsx'
import { outputsSoFar } from '../conversation/tool-turns.ts'
import { batchFacts, jobText } from '../job-text.ts'
import { JsonTree } from '../json-tree/json-tree.tsx'
import { Log } from '../log/log.tsx'
import { plainText } from '../log/plain-text.ts'
import { Media } from '../media/media.tsx'
import { filesNamedIn } from '../media/media-kind.ts'
import { Problem } from '../problem.tsx'
import { outlookOf, remedyOf } from '../remedy.ts'
import { statusOfStep } from '../status-of-step.ts'
import { TextView } from '../text-view/text-view.tsx'
import { withPlaces } from '../with-places.ts'
import { type PanelName, panelTabs, shownPanel } from './panel-tabs.ts'
import { RunsOfStep } from './runs-of-step.tsx'
import { SpanView, SpanWitnesses } from './span-view.tsx'
import { LargeValueBox, largeMembers, type OutputTable, outputTables, ValueBox } from './value-box.tsx'

/** Whether the model of a step may call tools. */
const hasTools = ({ config }: Pick<WholeStep, 'config'>): boolean => Array.isArray(config.tools)

interface ToolConversationProps {
  step: WholeStep
  place: RunAddress
}

/** The conversation of a step with tools, turn by turn; of one that is at work what it has recorded so far. */
const ToolConversation = ({ step, place }: ToolConversationProps) =>
  step.ended === null ? <Live step={step} place={place} /> : <Ended step={step} place={place} />

const Live = ({ step, place }: ToolConversationProps) => {
  const { data, error, refetch } = useQuery(stepCallsQuery(place, step.key))
  const conversation = useMemo(() => data && soFar(step, data), [step, data])
  if (error && !data) return <Problem error={error} onRetry={() => void refetch()} />
  if (!conversation) return <p className="text-muted">Loading…</p>
  return <ConversationView conversation={conversation} collection={place.collection} />
}

/** The question from the inputs, and after it what the records have. */
const soFar = (step: WholeStep, records: readonly StepCall[]): Conversation | undefined => {
  const asked = conversationOf({ ...step, outputs: {} }, {})
  const said = conversationOf({ ...step, inputs: {}, outputs: outputsSoFar(records) }, {})
  return asked && said && { ...asked, messages: [...asked.messages, ...said.messages] }
}

const Ended = ({ step, place }: ToolConversationProps) => {
  const isLarge = step.large_values.includes('/outputs/messages')
  const { data, error, refetch } = useQuery({
    ...largeValueQuery(place, step.key, 'outputs', 'messages'),
    enabled: isLarge,
  })
  const conversation = useMemo(
    () => conversationOf({ ...step, outputs: isLarge ? { ...step.outputs, messages: data } : step.outputs }, {}),
    [step, isLarge, data],
  )
  if (error && !data) return <Problem error={error} onRetry={() => void refetch()} />
  if (!conversation || (isLarge && !data)) return <p className="text-muted">Loading…</p>
  return <ConversationView conversation={conversation} collection={place.collection} />
}

const isNumber = (cell: string): boolean => /^-?\d[\d.]*$/.test(cell)
const longCell = 30

/** Rows of an output, which can be scrolled sideways. */
const OutputTableView = ({ table: { name, columns, rows, left } }: { table: OutputTable }) => {
  const isNamed = columns.some((column) => column !== '')
  return (
    <section aria-label={name}>
      <h3 className="mb-1 font-medium text-12 text-muted">{name}</h3>
      <section
        aria-label={`Table of ${name}`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so that the keyboard must reach it
        tabIndex={0}
        className="max-h-80 overflow-auto rounded-m border border-line"
      >
        <table className="w-full border-collapse text-12">
          {isNamed && (
            <thead>
              <tr className="sticky top-0 bg-sunk">
                {columns.map((column) => (
                  <th key={column} className="whitespace-nowrap border-line border-b px-3 py-1 text-left font-medium">
                    {column}
                  </th>
                ))}
              </tr>
            </thead>
          )}
          <tbody>
            {withPlaces(rows).map(({ element: row, place }) => (
              <tr key={place} className="border-line border-b last:border-0">
                {withPlaces(row).map(({ element: cell, place: column }) =>
                  !isNamed && column === 0 ? (
                    <th
                      key={column}
                      scope="row"
                      className="w-px whitespace-nowrap px-3 py-1 text-left font-mono font-normal"
                    >
                      {cell}
                    </th>
                  ) : (
                    <td
                      key={column}
                      className={
                        isNamed
                          ? `max-w-60 truncate px-3 py-1 ${isNumber(cell) ? 'tabular-nums' : ''}`
                          : 'break-words px-3 py-1'
                      }
                      title={isNamed && cell.length > longCell ? cell : undefined}
                    >
                      {cell}
                    </td>
                  ),
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {left > 0 && <p className="mt-1 text-12 text-muted">{left} more rows are in the tree below.</p>}
    </section>
  )
}

interface OutputsProps {
  step: WholeStep
  place: RunAddress
  initParams: Record<string, unknown>
}

/** What a step made: a conversation, files and texts as what they are, and everything as a tree. */
const Outputs = ({ step, place, initParams }: OutputsProps) => {
  const large = largeMembers(step.large_values, 'outputs')
  const path = `${step.key}.outputs`
  if (large === 'whole') {
    const reference = step.outputs as unknown as LargeValue
    return <LargeValueBox reference={reference} place={place} step={step.key} of="outputs" path={path} label="output" />
  }
  if (step.ended === null && hasTools(step)) return <ToolConversation step={step} place={place} />
  if (Object.keys(step.outputs).length === 0) {
    return (
      <p className="text-muted">{step.ended === null ? 'This step has no output yet.' : 'This step has no output.'}</p>
    )
  }
  return <KnownOutputs step={step} place={place} initParams={initParams} large={large} path={path} />
}

const KnownOutputs = ({ step, place, initParams, large, path }: OutputsProps & { large: string[]; path: string }) => {
  const [wanted, setWanted] = useState<readonly string[]>([])
  const loaded = useQueries({ queries: wanted.map((member) => largeValueQuery(place, step.key, 'outputs', member)) })
  const known = wanted.flatMap((member, at) =>
    loaded[at]?.data === undefined ? [] : [[member, loaded[at].data] as const],
  )
  const outputs = { ...step.outputs, ...Object.fromEntries(known) }
  const left = large.filter((member) => !known.some(([name]) => name === member))
  const conversation = useMemo(() => conversationOf(step, initParams), [step, initParams])
  const files = useMemo(() => filesNamedIn(step.outputs, place.collection), [step.outputs, place.collection])
  const tables = outputTables(outputs, step.inputs)
  const texts = conversation ? [] : textsOf(outputs, left)
  return (
    <div className="flex flex-col gap-4">
      {conversation && hasTools(step) && <ToolConversation step={step} place={place} />}
      {conversation && !hasTools(step) && (
        <ConversationView conversation={conversation} collection={place.collection} />
      )}
      {files.length > 0 && !conversation && (
        <div className="grid grid-cols-1 gap-3 xl:grid-cols-2">
          {files.map((file) => (
            <div key={file.path} className={file.kind === 'image' ? '' : 'xl:col-span-2'}>
              <Media file={file} />
            </div>
          ))}
        </div>
      )}
      {tables.map((table) => (
        <OutputTableView key={table.name} table={table} />
      ))}
      {texts.map(([name, text]) => (
        <section key={name} aria-label={name}>
          <h3 className="mb-1 font-medium text-12 text-muted">{name}</h3>
          <TextView text={text} isProse={!printed.has(name)} />
        </section>
      ))}
      <JsonTree
        value={outputs}
        path={path}
        label="output"
        large={left}
        onLoad={(member) => setWanted([...new Set([...wanted, member])])}
      />
    </div>
  )
}

const longText = 80

/** Outputs that programs print; nobody wrote them as Markdown. */
const printed: ReadonlySet<string> = new Set(['stdout', 'stderr', 'output'])

/** Texts that are better read as text than in a tree: long ones, each once. */
const textsOf = (outputs: Record<string, unknown>, large: readonly string[]): [name: string, text: string][] => {
  const seen = new Set<string>()
  return Object.entries(outputs).filter((entry): entry is [string, string] => {
    const [name, text] = entry
    if (typeof text !== 'string' || large.includes(name) || seen.has(text)) return false
    seen.add(text)
    return text.length > longText || text.includes('\n')
  })
}

/** Parameters of a step beside the expressions that they came from. */
const Inputs = ({
  step,
  place,
  onChoose,
}: {
  step: WholeStep
  place: RunAddress
  onChoose: (step: string) => void
}) => {
  const large = largeMembers(step.large_values, 'inputs')
  const path = `${step.key}.inputs`
  if (large === 'whole') {
    const reference = step.inputs as unknown as LargeValue
    return <LargeValueBox reference={reference} place={place} step={step.key} of="inputs" path={path} label="input" />
  }
  const names = Object.keys(step.inputs)
  if (names.length === 0) return <p className="text-muted">This step takes no parameters.</p>
  return (
    <dl className="flex flex-col">
      {names.map((name) => (
        <div key={name} className="flex flex-col gap-1 border-line border-b py-2 last:border-0">
          <dt
            className={`flex min-w-0 gap-x-3 ${isLong(step.origins[name]) ? 'flex-col' : 'flex-wrap items-baseline'}`}
          >
            <span className="font-mono text-12">{name}</span>
            <Origin text={step.origins[name]} onChoose={onChoose} />
          </dt>
          <dd className="min-w-0">
            {large.includes(name) ? (
              <LargeValueBox
                reference={step.inputs[name] as LargeValue}
                place={place}
                step={step.key}
                of="inputs"
                member={name}
                path={`${path}.${name}`}
                label={name}
              />
            ) : (
              <ValueBox value={step.inputs[name]} path={`${path}.${name}`} label={name} />
            )}
          </dd>
        </div>
      ))}
    </dl>
  )
}

const isLong = (origin: string | undefined): boolean =>
  origin !== undefined && (origin.includes('\n') || origin.length > 50)

const firstName = /^\s*([A-Za-z_][A-Za-z0-9_-]*)/
const notSteps = ['init_params', 'env', 'callbacks']

/** The expression, with a way to the step that it reads first. */
const Origin = ({ text, onChoose }: { text: string | undefined; onChoose: (step: string) => void }) => {
  if (text === undefined) return <span className="text-11 text-faint">literal or default</span>
  const shown = (
    <code className="min-w-0 whitespace-pre-wrap font-mono text-12 text-muted [overflow-wrap:anywhere]">{text}</code>
  )
  const step = firstName.exec(text.replace(/^[^{]*\{\{/, ''))?.[1]
  if (step === undefined || notSteps.includes(step) || /[{[]/.test(text[0] ?? '')) return shown
  return (
    <button
      type="button"
      title={`Go to ${step}`}
      onClick={() => onChoose(step)}
      className="min-w-0 text-left hover:underline"
    >
      {shown}
    </button>
  )
}

/** An error: what happened, why, and what to do next. */
const ErrorBox = ({ error, message }: { error: ErrorRecord | undefined; message: string }) => (
  <div className="flex flex-col gap-2">
    <p className="whitespace-pre-wrap text-bad [overflow-wrap:anywhere]">{plainText(error?.message ?? message)}</p>
    {error && remedyOf(error) !== undefined && (
      <p className="[overflow-wrap:anywhere]">
        <span className="font-medium">What to do: </span>
        {plainText(remedyOf(error) ?? '')}
      </p>
    )}
    {error?.cause && !error.message.includes(error.cause) && (
      <p className="whitespace-pre-wrap text-muted [overflow-wrap:anywhere]">Cause: {plainText(error.cause)}</p>
    )}
    {error && (
      <p className="text-12 text-muted">
        <code className="font-mono">{error.code}</code>
        {` · ${outlookOf(error)}`}
      </p>
    )}
    {error?.divergence?.diff && (
      <pre className="overflow-x-auto rounded-m border border-line bg-sunk p-2 font-mono text-12">
        {error.divergence.diff}
      </pre>
    )}
  </div>
)

/** Each try of a step, with what went wrong. */
const Attempts = ({ attempts }: { attempts: readonly StepAttempt[] }) => (
  <ol className="flex flex-col">
    {attempts.map(({ n, started, ended, error_detail: error }) => (
      <li key={n} className="flex flex-col gap-1 border-line border-b py-2 last:border-0">
        <p className="flex items-baseline gap-3">
          <span className="font-medium">Attempt {n}</span>
          <span className="text-12 text-muted">
            {clockText(started)} ·{' '}
            {ended === null ? 'did not end' : durationText((Date.parse(ended) - Date.parse(started)) / 1000)}
          </span>
        </p>
        {error ? <ErrorBox error={error} message="" /> : ended !== null && <p className="text-muted">It completed.</p>}
      </li>
    ))}
  </ol>
)

/** The log of one step. */
const LogOfStep = ({ run, place, step }: { run: Run; place: RunAddress; step: string }) => {
  const { data, error, refetch } = useRunLog(place, run, step)
  if (error && !data) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <p className="p-4 text-muted">Loading…</p>
  return <Log events={data.events} note={data.next_cursor === null ? undefined : 'the first 5,000 lines'} />
}

interface PanelProps {
  run: Run
  place: RunAddress
  step: RunStep
  wanted: string | undefined
  onSelect: (panel: PanelName) => void
  onChoose: (step: string) => void
  /** Stands at the right of the name: what can be done with the step. */
  actions: ReactNode
  /** Stands above the tabs: a decision or an event that the step waits for. */
  decision: ReactNode
}

/** One step: why it failed, what it read, what it made. */
export const StepPanel = ({ run, place, step, wanted, onSelect, onChoose, actions, decision }: PanelProps) => {
  const { data: whole } = useWholeStep(place, step.key)
  const shown = shownPanel(step, wanted, whole && hasTools(whole))
  return (
    <div className="flex h-full min-h-0 flex-col">
      <header className="flex items-start gap-2 px-4 pt-3">
        <StatusMark of={statusOfStep(step)} label={statusWord(statusOfStep(step))} className="mt-1" />
        <div className="min-w-0 flex-1">
          <h2 className="font-semibold text-15 [overflow-wrap:anywhere]">{plainText(step.span?.name ?? step.key)}</h2>
          <p className="text-12 text-muted [overflow-wrap:anywhere]">{factsOf(run, step)}</p>
        </div>
        {actions}
      </header>
      <SpanWitnesses place={place} step={step} />
      {decision}
      <Tabs
        label="Parts of the step"
        tabs={panelTabs(step)}
        current={shown}
        onSelect={onSelect}
        className="mt-1 shrink-0 border-line border-b px-4"
      />
      <div role="tabpanel" aria-label={shown} className="min-h-0 flex-1 overflow-auto p-4 has-[[role=log]]:p-0">
        <Body run={run} place={place} step={step} shown={shown} onChoose={onChoose} />
      </div>
    </div>
  )
}

const factsOf = (run: Run, step: RunStep): string =>
  [
    step.activity,
    step.span?.model === undefined ? undefined : plainText(step.span.model),
    step.duration_seconds === null ? undefined : durationText(step.duration_seconds),
    ...usedText(step),
    step.job ? jobText(step.job) : undefined,
    ...(step.batches ?? []).map(batchFacts),
    step.attempt > 1 ? `attempt ${step.attempt}` : undefined,
    isCarriedOver(run, step) ? 'carried over from an earlier run' : undefined,
  ]
    .filter((fact) => fact !== undefined)
    .join(' · ')

/** What a model call used, where no conversation says so. */
const usedText = (step: RunStep): string[] =>
  step.usage && !asksModel(step)
    ? [
        `${countText(step.usage.prompt_tokens)} in, ${countText(step.usage.completion_tokens)} out`,
        usdText(step.cost_usd, step.usage.estimated),
      ]
    : []

interface BodyProps {
  run: Run
  place: RunAddress
  step: RunStep
  shown: PanelName
  onChoose: (step: string) => void
}

const Body = ({ run, place, step, shown, onChoose }: BodyProps) => {
  const { data: whole, error, refetch } = useWholeStep(place, step.key)
  if (shown === 'error') return <ErrorBox error={step.error_detail} message={step.error ?? ''} />
  if (shown === 'log') return <LogOfStep run={run} place={place} step={step.key} />
  if (shown === 'runs') return <RunsOfStep place={place} step={step} />
  if (shown === 'span') return <SpanView key={step.key} place={place} step={step} />
  if (error && !whole) return <Problem error={error} onRetry={() => void refetch()} />
  if (!whole) return <p className="text-muted">Loading…</p>
  return <WholeBody run={run} place={place} whole={whole} shown={shown} onChoose={onChoose} />
}

const WholeBody = ({ run, place, whole, shown, onChoose }: Omit<BodyProps, 'step'> & { whole: WholeStep }) => {
  // The tree keeps what is open: another step begins anew.
  const key = whole.key
  if (shown === 'input') return <Inputs key={key} step={whole} place={place} onChoose={onChoose} />
  if (shown === 'config') return <JsonTree key={key} value={whole.config} path={`${whole.key}.config`} label="config" />
  if (shown === 'attempts') return <Attempts attempts={whole.attempts ?? []} />
  const initParams = run.large_values.length === 0 ? (run.init_params as Record<string, unknown>) : {}
  return <Outputs key={key} step={whole} place={place} initParams={initParams} />
}
