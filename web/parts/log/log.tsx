import { memo, useCallback, useMemo, useState } from 'react'
import type { LogEvent } from '../../../src/model/runs/run-events.ts'
import { useRows } from '../../data/rows.ts'
import { clockText, momentText } from '../../text/times.ts'
import { CopyButton } from '../../ui/copy.tsx'
import { Checkbox, SelectField, TextField } from '../../ui/field.tsx'
import { Icon } from '../../ui/icon.tsx'
import { plainText } from './plain-text.ts'

/** A line of a log. */
interface LogLine {
  id: number
  /** Milliseconds since 1970. */
  at: number
  level: LogEvent['level']
  type: string
  step: string | undefined
  text: string
  attributes: Record<string, unknown>
}

type LogLevel = LogEvent['level']

/** Levels from the least to the most urgent. */
const logLevels: readonly LogLevel[] = ['debug', 'info', 'warning', 'error']

interface LogFilter {
  level: LogLevel
  text: string
  /** Only lines of this step. */
  step: string | undefined
}

/** Lines of a log that pass a filter, as plain text. */
export const logLines = (events: readonly LogEvent[], { level, text, step }: LogFilter): LogLine[] => {
  const least = logLevels.indexOf(level)
  const wanted = text.trim().toLowerCase()
  const lines: LogLine[] = []
  for (const [id, event] of events.entries()) {
    if (logLevels.indexOf(event.level) < least) continue
    if (step !== undefined && event.step !== step) continue
    const shown = plainText(event.message)
    if (wanted !== '' && !`${event.step ?? ''} ${event.type} ${shown}`.toLowerCase().includes(wanted)) continue
    lines.push({
      id,
      at: Date.parse(event.timestamp),
      level: event.level,
      type: event.type,
      step: event.step ?? undefined,
      text: shown,
      attributes: event.attributes,
    })
  }
  return lines
}

/** The log as a text to copy. */
export const logText = (lines: readonly LogLine[]): string =>
  lines.map(({ at, level, step, text }) => `${new Date(at).toISOString()} ${level} ${step ?? '-'} ${text}\n`).join('')

const lineHeight = 22

interface LogProps {
  events: readonly LogEvent[]
  /** The step that is chosen on the page, for the box that leaves the others out. */
  step?: string | undefined
  onChoose?: (step: string) => void
  /** Says that the server has more before or after. */
  note?: string | undefined
}

/** The log of a run or of one step: filtered, and with the whole of the chosen line below. */
export const Log = ({ events, step, onChoose, note }: LogProps) => {
  const [level, setLevel] = useState<LogLevel>('debug')
  const [text, setText] = useState('')
  const [isOne, setOne] = useState(false)
  const [chosen, setChosen] = useState<number>()
  const filter: LogFilter = { level, text, step: isOne ? step : undefined }
  // biome-ignore lint/correctness/useExhaustiveDependencies: the members of the filter stand for it
  const lines = useMemo(() => logLines(events, filter), [events, level, text, filter.step])
  const copied = useMemo(() => logText(lines), [lines])
  const line = lines.find(({ id }) => id === chosen)
  const choose = useCallback(
    (one: LogLine) => {
      setChosen((was) => (one.id === was ? undefined : one.id))
      if (one.step !== undefined) onChoose?.(one.step)
    },
    [onChoose],
  )
  return (
    <div className="flex h-full min-h-0 flex-1 flex-col">
      <div className="flex flex-wrap items-center gap-2 border-line border-b px-4 py-1.5">
        <TextField
          label="Search the log"
          hidesLabel
          placeholder="Search"
          value={text}
          onChange={(event) => setText(event.target.value)}
          boxClass="w-44 max-sm:flex-1"
        />
        <SelectField
          label="Level"
          hidesLabel
          value={level}
          onChange={(event) => setLevel(event.target.value as LogLevel)}
          options={logLevels.map((one) => [one, one === 'debug' ? 'all levels' : `${one} and above`])}
        />
        {step !== undefined && onChoose && (
          <Checkbox label={`only ${step}`} checked={isOne} onChange={(event) => setOne(event.target.checked)} />
        )}
        <span className="ml-auto text-12 text-muted">{note ?? `${lines.length} of ${events.length} lines`}</span>
        <CopyButton text={copied} label="Copy the lines" />
      </div>
      <Lines lines={lines} chosen={chosen} onChoose={choose} />
      {line && <LineDetail line={line} />}
    </div>
  )
}

interface LinesProps {
  lines: readonly LogLine[]
  chosen: number | undefined
  onChoose: (line: LogLine) => void
}

const Lines = ({ lines, chosen, onChoose }: LinesProps) => {
  const { box, first, last, total, keyOf } = useRows(lines.length, lineHeight)
  return (
    <div
      ref={box}
      role="log"
      aria-label="Log"
      className="min-h-0 flex-1 overflow-y-auto overflow-x-hidden outline-offset-[-2px]"
    >
      <div className="relative" style={{ height: total }}>
        {lines.slice(first, last).map((line, index) => (
          <Line
            key={keyOf(first + index)}
            line={line}
            top={(first + index) * lineHeight}
            isChosen={line.id === chosen}
            onChoose={onChoose}
          />
        ))}
      </div>
    </div>
  )
}

interface LineProps {
  line: LogLine
  top: number
  isChosen: boolean
  onChoose: (line: LogLine) => void
}

/** One line. A scroll draws those that come into view, and leaves the others alone. */
const Line = memo(({ line, top, isChosen, onChoose }: LineProps) => (
  <button
    type="button"
    onClick={() => onChoose(line)}
    className={`absolute inset-x-0 flex items-center gap-3 px-4 text-left contain-strict font-mono text-12 ${isChosen ? 'bg-selection' : 'hover:bg-sunk'}`}
    style={{ top, height: lineHeight }}
  >
    <time className="shrink-0 text-faint" title={momentText(line.at)}>
      {clockText(line.at)}.{String(line.at % 1000).padStart(3, '0')}
    </time>
    <Mark level={line.level} />
    <span className="w-24 shrink-0 truncate text-muted max-sm:hidden">{line.step ?? ''}</span>
    <span className={`min-w-0 flex-1 truncate ${line.level === 'error' ? 'text-bad' : ''}`}>{line.text}</span>
  </button>
))

const Mark = ({ level }: { level: LogLevel }) => {
  if (level === 'error') return <Icon name="cross" label="error" className="size-3 text-bad" />
  if (level === 'warning') return <Icon name="warning" label="warning" className="size-3 text-wait" />
  return <span className="size-3 shrink-0" />
}

const LineDetail = ({ line }: { line: LogLine }) => (
  <div className="max-h-[40%] shrink-0 overflow-auto border-line border-t bg-sunk px-4 py-2">
    <p className="whitespace-pre-wrap break-words font-mono text-12">{line.text}</p>
    <dl className="mt-2 grid grid-cols-[auto_1fr] gap-x-3 text-12 text-muted">
      <dt>at</dt>
      <dd>{momentText(line.at)}</dd>
      <dt>type</dt>
      <dd>{line.type}</dd>
      {Object.entries(line.attributes).map(([name, value]) => (
        <div key={name} className="contents">
          <dt>{name}</dt>
          <dd className="min-w-0 whitespace-pre-wrap break-words font-mono">
            {typeof value === 'string' ? value : JSON.stringify(value)}
          </dd>
        </div>
      ))}
    </dl>
  </div>
)
