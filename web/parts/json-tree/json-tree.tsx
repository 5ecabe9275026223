import { type KeyboardEvent, useEffect, useMemo, useState } from 'react'
import { useRows } from '../../data/rows.ts'
import { bytesText } from '../../text/numbers.ts'
import { IconButton } from '../../ui/button.tsx'
import { CopyButton, copyText } from '../../ui/copy.tsx'
import { TextField } from '../../ui/field.tsx'
import { Icon } from '../../ui/icon.tsx'
import { showToast } from '../../ui/toast.tsx'
import {
  type Found,
  firstOpened,
  type JsonLine,
  jsonLines,
  lineId,
  mostFound,
  pathExpressionOf,
  searchSteps,
} from './flatten.ts'

const lineHeight = 22
/** A value of so few lines needs no search. */
const shortLines = 20
/** The tree scrolls by itself above this height. */
const mostHeight = 480

interface JsonTreeProps {
  value: unknown
  /** Expression of the value itself, such as `ask.outputs`; paths are copied below it. */
  path: string
  label: string
  /** Members at the top that the server left out, as keys; they are loaded by hand. */
  large?: readonly string[]
  onLoad?: (member: string) => void
}

/** Values searched before the page may draw again; takes some ten milliseconds. */
const searchedAtOnce = 100_000

/** Searches a value in steps, so that the page stays responsive while it searches megabytes. */
const useSearch = (value: unknown, query: string): Found | undefined => {
  const [found, setFound] = useState<Found>()
  useEffect(() => {
    if (query.trim() === '') return setFound(undefined)
    const steps = searchSteps(value, query, searchedAtOnce)
    let timer: ReturnType<typeof setTimeout> | undefined
    const step = () => {
      const { value: found, done } = steps.next()
      setFound(found)
      if (!done) timer = setTimeout(step)
    }
    step()
    return () => clearTimeout(timer)
  }, [value, query])
  return found
}

const isSearching = (found: Found): boolean => found.isPartial && found.hits.length < mostFound

/** A value of any size: what is open is drawn as far as it is in view. */
export const JsonTree = ({ value, path, label, large = [], onLoad }: JsonTreeProps) => {
  const [opened, setOpened] = useState(() => firstOpened(value))
  const [query, setQuery] = useState('')
  const [at, setAt] = useState(0)
  const found = useSearch(value, query)
  const largeIds = useMemo(() => new Set(large.map((member) => lineId([member]))), [large])
  const lines = useMemo(() => jsonLines(value, opened, { found, large: largeIds }), [value, opened, found, largeIds])
  const { box, first, last, total, show } = useRows(lines.length, lineHeight)
  const [isSmall] = useState(() => large.length === 0 && isShort(lines))
  const toggle = (line: JsonLine) => {
    if (line.kind === 'large') return onLoad?.(String(line.key))
    if (line.isOpen === undefined) return
    const next = new Set(opened)
    if (!next.delete(line.id)) next.add(line.id)
    setOpened(next)
  }
  const go = (to: number) => {
    const next = Math.min(lines.length - 1, Math.max(0, to))
    setAt(next)
    show(next)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (moveBy(event.key, lines[at], at, go, toggle)) {
      event.preventDefault()
      event.stopPropagation()
    }
  }
  return (
    <div className="group/tree relative rounded-m border border-line">
      {isSmall ? (
        <span className="absolute top-0.5 right-0.5 z-10 opacity-0 focus-within:opacity-100 group-hover/tree:opacity-100">
          <CopyButton text={JSON.stringify(value, null, 2)} label={`Copy ${label} as JSON`} />
        </span>
      ) : (
        <Toolbox label={label} value={value} query={query} onQuery={setQuery} found={found} left={large.length} />
      )}
      <div
        ref={box}
        role="tree"
        tabIndex={0}
        aria-label={label}
        onKeyDown={onKeyDown}
        className="overflow-auto py-1 font-mono text-12 outline-offset-[-2px]"
        style={{ height: Math.min(mostHeight, Math.max(1, lines.length) * lineHeight + 8) }}
      >
        <div className="relative" style={{ height: total }}>
          {lines.slice(first, last).map((line, index) => (
            <Line
              key={line.id}
              line={line}
              path={path}
              top={(first + index) * lineHeight}
              isAt={first + index === at}
              onToggle={toggle}
            />
          ))}
        </div>
        {lines.length === 0 && (
          <p className="px-3 font-sans text-muted">
            {query === '' ? 'Nothing' : found && isSearching(found) ? 'Searching…' : 'Not found'}
          </p>
        )}
      </div>
    </div>
  )
}

const moveBy = (
  key: string,
  line: JsonLine | undefined,
  at: number,
  go: (to: number) => void,
  toggle: (line: JsonLine) => void,
): boolean => {
  if (key === 'ArrowDown') go(at + 1)
  else if (key === 'ArrowUp') go(at - 1)
  else if (line && (key === 'Enter' || (key === 'ArrowRight' && !line.isOpen) || (key === 'ArrowLeft' && line.isOpen)))
    toggle(line)
  else return false
  return true
}

/** Whether all of a value is in view at once: then there is nothing to search. */
const isShort = (lines: readonly JsonLine[]): boolean =>
  lines.length <= shortLines && lines.every(({ isOpen, kind }) => isOpen !== false && kind !== 'range')

interface ToolboxProps {
  label: string
  value: unknown
  query: string
  onQuery: (query: string) => void
  found: Found | undefined
  /** Values that are not loaded, which a search cannot see. */
  left: number
}

const Toolbox = ({ label, value, query, onQuery, found, left }: ToolboxProps) => (
  <div className="flex items-center gap-2 border-line border-b py-1 pr-1 pl-2">
    <TextField
      label={`Search in ${label}`}
      hidesLabel
      placeholder="Search"
      value={query}
      onChange={(event) => onQuery(event.target.value)}
      boxClass="flex-1"
      className="h-6 border-transparent"
    />
    {found && (
      <span className="text-12 text-muted" role="status">
        {found.hits.length}
        {found.isPartial ? '+' : ''} found{isSearching(found) ? '…' : ''}
        {left > 0 && ` (${left} not loaded)`}
      </span>
    )}
    <IconButton icon="copy" label={`Copy ${label} as JSON`} onClick={() => void copyValue(value)} />
  </div>
)

const copyValue = async (value: unknown): Promise<void> => {
  if (await copyText(JSON.stringify(value, null, 2))) showToast({ text: 'Copied' })
}

const colours: Partial<Record<JsonLine['kind'], string>> = {
  text: 'text-ok',
  number: 'text-accent',
  truth: 'text-accent',
  nothing: 'text-faint',
}

interface LineProps {
  line: JsonLine
  path: string
  top: number
  isAt: boolean
  onToggle: (line: JsonLine) => void
}

const Line = ({ line, path, top, isAt, onToggle }: LineProps) => {
  const place = pathExpressionOf(path, line.at)
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the tree around it takes the keys
    <div
      role="treeitem"
      tabIndex={-1}
      aria-level={line.depth + 1}
      aria-expanded={line.isOpen}
      aria-selected={isAt}
      onClick={() => onToggle(line)}
      className={`group absolute inset-x-0 flex items-center gap-1 whitespace-nowrap pr-1 hover:bg-sunk ${isAt ? 'in-focus:bg-selection' : ''}`}
      style={{ top, height: lineHeight, paddingLeft: 6 + line.depth * 14 }}
    >
      {line.isOpen === undefined ? (
        <span className="w-4 shrink-0" />
      ) : (
        <Icon name={line.isOpen ? 'down' : 'right'} className="text-muted" />
      )}
      {line.key !== undefined && <span className={typeof line.key === 'number' ? 'text-faint' : ''}>{line.key}:</span>}
      <LineValue line={line} />
      <button
        type="button"
        tabIndex={-1}
        title={`Copy the path ${place}`}
        aria-label={`Copy the path ${place}`}
        onClick={async (event) => {
          event.stopPropagation()
          if (await copyText(place)) showToast({ text: `Copied ${place}` })
        }}
        className="sticky right-1 ml-auto hidden shrink-0 rounded-s bg-raised px-1 text-faint hover:text-text group-hover:block"
      >
        path
      </button>
    </div>
  )
}

const LineValue = ({ line }: { line: JsonLine }) => {
  if (line.kind === 'object' || line.kind === 'array') {
    const [open, close] = line.kind === 'array' ? '[]' : '{}'
    return (
      <span className="text-faint">
        {line.isOpen ? `${open} ${line.size}` : line.size === 0 ? `${open}${close}` : `${open} ${line.size} ${close}`}
      </span>
    )
  }
  if (line.kind === 'range') return <span className="text-muted">{line.preview}</span>
  if (line.kind === 'large') {
    const { bytes } = (line.value as { $large: { bytes: number } }).$large
    return (
      <>
        <span className="min-w-0 truncate text-muted">{line.preview}</span>
        <span className="shrink-0 font-sans text-accent">load {bytesText(bytes)}</span>
      </>
    )
  }
  return (
    <span
      className={`min-w-0 truncate ${colours[line.kind] ?? ''}`}
      title={line.kind === 'text' ? String(line.value).slice(0, 2000) : undefined}
    >
      {line.preview}
    </span>
  )
}
