import { Link } from '@tanstack/react-router'
import { Fragment, type ReactNode, Suspense, useState } from 'react'
import type { RunDifference, StepDifference, ValueDifference } from '../../../src/model/runs/run-difference.ts'
import type { Run, RunAddress } from '../../data/run.ts'
import { lazyPart } from '../../data/server-away.ts'
import { fileAddress } from '../../parts/media/media-kind.ts'
import { withPlaces } from '../../parts/with-places.ts'
import { costText } from '../../text/numbers.ts'
import { durationText, momentText } from '../../text/times.ts'
import { IconButton } from '../../ui/button.tsx'
import { Icon } from '../../ui/icon.tsx'
import { Status } from '../../ui/status.tsx'
import { writeRunName } from './run-names.ts'

/** What one run has in a row, beside the base. */
type ComparedCell =
  | { kind: 'same' }
  | { kind: 'missing' }
  | { kind: 'differs'; difference: StepDifference }
  /** The base has no such step. */
  | { kind: 'added'; difference: StepDifference }

/** A step of any of the runs; one cell for each run but the base. */
interface ComparedStep {
  step: string
  isInBase: boolean
  cells: ComparedCell[]
  isSame: boolean
}

/** Parts of a step that are compared, in the order in which they are shown. */
const comparedParts = ['outputs', 'inputs', 'config'] as const

const cellOf = (difference: StepDifference | undefined): ComparedCell => {
  if (!difference || (difference.in === 'both' && difference.same)) return { kind: 'same' }
  if (difference.in === 'left') return { kind: 'missing' }
  return { kind: difference.in === 'right' ? 'added' : 'differs', difference }
}

/** Lays the differences of several runs from one base side by side, by step, in the order of the base. */
export const stepRows = (differences: readonly (RunDifference | undefined)[]): ComparedStep[] => {
  const names: string[] = []
  const known = new Set<string>()
  for (const difference of differences) {
    let at = 0
    for (const { step } of difference?.steps ?? []) {
      if (known.has(step)) at = names.indexOf(step) + 1
      else {
        names.splice(at++, 0, step) // beside the step after which this run has it
        known.add(step)
      }
    }
  }
  const bySteps = differences.map((difference) => new Map(difference?.steps.map((one) => [one.step, one])))
  return names.map((step) => {
    const found = bySteps.map((steps) => steps.get(step))
    const cells = found.map(cellOf)
    const isInBase = found.some((one) => one !== undefined && one.in !== 'right')
    // A run without the step, where the base has none either, has nothing to compare.
    const shown = isInBase
      ? cells
      : cells.map((cell): ComparedCell => (cell.kind === 'same' ? { kind: 'missing' } : cell))
    return { step, isInBase, cells: shown, isSame: shown.every(({ kind }) => kind === 'same') }
  })
}

/** How a number changed: `−14 %`; undefined where it says nothing. */
export const changeText = (from: number | null | undefined, to: number | null | undefined): string | undefined => {
  if (typeof from !== 'number' || typeof to !== 'number' || from <= 0) return undefined
  const percent = Math.round((to / from - 1) * 100)
  if (percent === 0) return undefined
  return `${percent > 0 ? '+' : '−'}${Math.abs(percent)} %`
}

/** What differs in a step, in a few words. */
export const cellText = (cell: ComparedCell): string => {
  if (cell.kind === 'same') return '='
  if (cell.kind === 'missing') return '–'
  if (cell.kind === 'added') return 'only here'
  const { status, error, outputs, inputs, config } = cell.difference
  const parts = [
    status ? `${status.right ?? 'not run'}, not ${status.left ?? 'run'}` : undefined,
    !status && error ? 'another error' : undefined,
    outputs && pathsText('output', outputs),
    inputs && pathsText('input', inputs),
    config && 'config',
  ].filter((part) => part !== undefined)
  return parts.length === 0 ? '=' : parts.join(' · ')
}

const pathsText = (part: string, { paths, more_paths: more, clipped }: ValueDifference): string => {
  if (clipped) return part
  const [first] = paths
  if (paths.length === 1 && first !== '') return `${part}.${first}`
  return `${part} (${paths.length}${more ? '+' : ''} places)`
}

type Segment = string | number

/** Splits a path of a difference, such as `a.b[1]['odd key']`. */
export const pathSegments = (path: string): Segment[] =>
  [...path.matchAll(/\[(\d+)\]|\['(.*?)'\](?=[.[]|$)|([\w-]+)/g)].map(([, index, quoted, name]) =>
    index === undefined ? (quoted ?? name ?? '') : Number(index),
  )

/** The value at a path; undefined where there is none. */
export const valueAtPath = (value: unknown, path: string): unknown => {
  let current = value
  for (const segment of pathSegments(path)) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, segment)) return undefined
    current = (current as Record<Segment, unknown>)[segment]
  }
  return current
}

/** Storage path of the first picture that a value has at a path or below. */
export const pictureIn = (value: unknown, depth = 0): string | undefined => {
  if (typeof value === 'string') return /^[\w.-]+\/.*\.(png|jpe?g|gif|webp|avif|bmp)$/i.test(value) ? value : undefined
  if (typeof value !== 'object' || value === null || depth > 6) return undefined
  for (const part of Object.values(value).slice(0, 200)) {
    const found = pictureIn(part, depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}

/** Two pictures over each other, with an edge to move. */
const ImageSlider = ({ left, right }: { left: string; right: string }) => {
  const [percent, setPercent] = useState(50)
  const picture = 'absolute inset-0 size-full object-contain'
  return (
    <div className="flex flex-col gap-1">
      <div className="relative aspect-4/3 max-h-90 overflow-hidden rounded-m border border-line bg-sunk">
        <img src={fileAddress(right, true)} alt="of this run" className={picture} />
        <img
          src={fileAddress(left, true)}
          alt="of the base"
          className={picture}
          style={{ clipPath: `inset(0 ${100 - percent}% 0 0)` }}
        />
        <span className="absolute inset-y-0 w-0.5 bg-accent" style={{ left: `${percent}%` }} />
      </div>
      <input
        type="range"
        min={0}
        max={100}
        value={percent}
        onChange={(event) => setPercent(Number(event.target.value))}
        aria-label="Edge between the base and this run"
        className="accent-accent"
      />
    </div>
  )
}

const TextDiff = lazyPart(() => import('./text-diff.tsx'))

const mostPlaces = 20

/** Where two values differ, place by place. */
const Differences = ({ difference, name }: { difference: ValueDifference; name: string }) => {
  const { left, right, paths, clipped, more_paths: more } = difference
  const places = clipped || paths.length === 0 ? [''] : paths.slice(0, mostPlaces)
  const pictures = [pictureIn(left), pictureIn(right)]
  const hasPictures = pictures[0] !== undefined && pictures[1] !== undefined && pictures[0] !== pictures[1]
  return (
    <div className="flex flex-col gap-2">
      {hasPictures && <ImageSlider left={pictures[0]!} right={pictures[1]!} />}
      <dl className="flex flex-col gap-1.5">
        {places.map((path) => (
          <div key={path}>
            <dt className="font-mono text-11 text-faint">
              {path === '' ? name : `${name}.${path}`.replace('.[', '[')}
            </dt>
            <dd className="max-h-80 overflow-auto">
              <OneDifference
                left={clipped ? left : valueAtPath(left, path)}
                right={clipped ? right : valueAtPath(right, path)}
              />
            </dd>
          </div>
        ))}
      </dl>
      {(more || paths.length > places.length) && !clipped && (
        <p className="text-12 text-muted">There are more places.</p>
      )}
      {clipped && <p className="text-12 text-muted">Only the beginnings are compared: the values are large.</p>}
    </div>
  )
}

/** A value as text: a text as it is, anything else as JSON. */
const comparedText = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value, null, 1) ?? '')

const OneDifference = ({ left, right }: { left: unknown; right: unknown }) => {
  if (left === undefined)
    return (
      <p className="whitespace-pre-wrap [overflow-wrap:anywhere]">
        {comparedText(right)} <em className="text-12 text-muted">only here</em>
      </p>
    )
  if (right === undefined)
    return (
      <p className="whitespace-pre-wrap text-muted [overflow-wrap:anywhere]">
        <del>{comparedText(left)}</del> <em className="text-12">only in the base</em>
      </p>
    )
  return (
    <Suspense fallback={<p className="whitespace-pre-wrap [overflow-wrap:anywhere]">{comparedText(right)}</p>}>
      <TextDiff left={comparedText(left)} right={comparedText(right)} />
    </Suspense>
  )
}

interface TableProps {
  /** The base first. */
  places: readonly RunAddress[]
  runs: readonly (Run | undefined)[]
  /** Of each run but the base. */
  differences: readonly (RunDifference | undefined)[]
  isOnlyDifferent: boolean
  onBase: (place: RunAddress) => void
  onRemove: (place: RunAddress) => void
}

const name =
  'sticky left-0 z-10 w-44 min-w-32 max-md:min-w-24 max-sm:min-w-18 bg-bg py-1.5 pr-3 text-left align-top font-normal'
const cell = 'min-w-56 max-md:min-w-44 max-sm:min-w-34 max-sm:px-2 border-line border-l px-3 py-1.5 align-top'

/** One column a run, one row a step. */
export const ComparisonTable = ({ places, runs, differences, isOnlyDifferent, onBase, onRemove }: TableProps) => {
  const rows = stepRows(differences)
  const shown = isOnlyDifferent ? rows.filter(({ isSame }) => !isSame) : rows
  const isWaiting = differences.some((one) => one === undefined)
  const differing = rows.filter(({ isSame }) => !isSame)
  return (
    <table className="w-full border-collapse">
      <thead>
        <tr>
          <th className={name}>
            <span className="sr-only">What</span>
          </th>
          {places.map((place, at) => (
            <th key={writeRunName(place)} className={`${cell} text-left font-normal`}>
              <RunHead place={place} run={runs[at]} isBase={at === 0} onBase={onBase} onRemove={onRemove} />
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        <Facts runs={runs} />
        <ParamsRow differences={differences} />
        {shown.map((row) => (
          <StepLines
            key={row.step}
            row={row}
            places={places}
            isOnly={!isWaiting && differing.length === 1 && row === differing[0]}
          />
        ))}
      </tbody>
      <tfoot>
        <tr className="border-line border-t">
          <td colSpan={places.length + 1} className="py-2 text-12 text-muted">
            {isWaiting ? 'Comparing…' : `${differing.length} of ${rows.length} steps differ.`}
          </td>
        </tr>
      </tfoot>
    </table>
  )
}

interface HeadProps {
  place: RunAddress
  run: Run | undefined
  isBase: boolean
  onBase: (place: RunAddress) => void
  onRemove: (place: RunAddress) => void
}

const RunHead = ({ place, run, isBase, onBase, onRemove }: HeadProps) => (
  <div className="flex flex-col gap-0.5">
    <span className="flex flex-wrap items-center gap-1">
      <Link
        to="/$collection/$task/$id"
        params={{ collection: place.collection, task: place.task, id: place.id }}
        className="min-w-0 truncate font-mono text-12 text-accent hover:underline"
      >
        {place.id}
      </Link>
      <span className="flex-1" />
      {isBase ? (
        <span className="text-12 text-muted max-sm:order-last max-sm:basis-full">base</span>
      ) : (
        <button
          type="button"
          onClick={() => onBase(place)}
          className="shrink-0 rounded-s px-1 text-12 text-muted hover:bg-sunk max-sm:order-last max-sm:-ml-1"
        >
          use as base
        </button>
      )}
      <IconButton icon="cross" label={`Leave ${place.id} out`} onClick={() => onRemove(place)} />
    </span>
    <span className="truncate text-12" title={`${place.collection}/${place.task}`}>
      {place.task}
      {typeof run?.version_number === 'number' && <span className="text-muted"> · v{run.version_number}</span>}
      {run && <span className="text-muted"> · {momentText(run.created)}</span>}
    </span>
    {run && <Status of={run.status} />}
  </div>
)

const Line = ({ title, children }: { title: ReactNode; children: ReactNode }) => (
  <tr className="border-line border-t">
    <th scope="row" className={`${name} text-muted`}>
      {title}
    </th>
    {children}
  </tr>
)

const Facts = ({ runs }: Pick<TableProps, 'runs'>) => {
  const base = runs[0]
  return (
    <>
      <Line title="duration">
        {withPlaces(runs).map(({ element: run, place: at }) => (
          <td key={at} className={cell}>
            {durationText(run?.duration_seconds)}{' '}
            <Change text={at === 0 ? undefined : changeText(base?.duration_seconds, run?.duration_seconds)} />
          </td>
        ))}
      </Line>
      {runs.some((run) => run?.usage) && (
        <Line title="cost">
          {withPlaces(runs).map(({ element: run, place: at }) => (
            <td key={at} className={cell}>
              {run && costText(run.cost_usd, run.usage !== null)}{' '}
              <Change text={at === 0 ? undefined : changeText(base?.cost_usd, run?.cost_usd)} />
            </td>
          ))}
        </Line>
      )}
    </>
  )
}

const Change = ({ text }: { text: string | undefined }) =>
  text === undefined ? null : <span className="text-12 text-muted">{text}</span>

const ParamsRow = ({ differences }: Pick<TableProps, 'differences'>) => {
  if (!differences.some((one) => one?.run.init_params)) return null
  return (
    <Line title="init_params">
      <td className={cell}>
        <BaseParams differences={differences} />
      </td>
      {withPlaces(differences).map(({ element: one, place: at }) => (
        <td key={at} className={cell}>
          {one?.run.init_params ? <Differences difference={one.run.init_params} name="init_params" /> : '='}
        </td>
      ))}
    </Line>
  )
}

/** What the base has where others differ. */
const BaseParams = ({ differences }: Pick<TableProps, 'differences'>) => {
  const all = differences.flatMap((one) => one?.run.init_params ?? [])
  const paths = [...new Set(all.flatMap((one) => one.paths))].slice(0, 20)
  return (
    <dl className="flex flex-col gap-1.5">
      {paths.map((path) => (
        <div key={path}>
          <dt className="font-mono text-11 text-faint">{`init_params.${path}`.replace('.[', '[')}</dt>
          <dd className="whitespace-pre-wrap [overflow-wrap:anywhere]">
            {comparedText(valueAtPath(all[0]?.left, path))}
          </dd>
        </div>
      ))}
    </dl>
  )
}

interface StepLinesProps {
  row: ComparedStep
  places: readonly RunAddress[]
  /** Whether no other step differs: then it is what one came to see. */
  isOnly: boolean
}

const StepLines = ({ row, places, isOnly }: StepLinesProps) => {
  const [chosen, setOpen] = useState<boolean>()
  const isOpen = chosen ?? isOnly
  const canOpen = !row.isSame
  const title = (
    <button
      type="button"
      disabled={!canOpen}
      aria-expanded={canOpen ? isOpen : undefined}
      onClick={() => setOpen(!isOpen)}
      className="flex max-w-full items-center gap-1 text-text"
    >
      {canOpen ? <Icon name={isOpen ? 'down' : 'right'} className="text-muted" /> : <span className="size-4" />}
      <span className="truncate">{row.step}</span>
    </button>
  )
  return (
    <Fragment>
      <Line title={title}>
        <td className={`${cell} text-muted`}>{row.isInBase ? '' : '–'}</td>
        {withPlaces(row.cells).map(({ element: one, place: at }) => (
          <td key={at} className={`${cell} ${one.kind === 'same' ? 'text-faint' : ''}`}>
            {cellText(one)}
          </td>
        ))}
      </Line>
      {isOpen && (
        <tr>
          <td className={name} />
          <td className={cell}>{row.isInBase && places[0] && <OpenStep place={places[0]} step={row.step} />}</td>
          {withPlaces(row.cells).map(({ element: one, place: at }) => (
            <td key={at} className={cell}>
              <CellDetail cell={one} />
              {one.kind !== 'missing' && places[at + 1] && <OpenStep place={places[at + 1]!} step={row.step} />}
            </td>
          ))}
        </tr>
      )}
    </Fragment>
  )
}

const OpenStep = ({ place, step }: { place: RunAddress; step: string }) => (
  <Link
    to="/$collection/$task/$id"
    params={{ collection: place.collection, task: place.task, id: place.id }}
    search={{ step } as never}
    className="text-12 text-accent hover:underline"
  >
    open {step}
  </Link>
)

const CellDetail = ({ cell: one }: { cell: ComparedCell }) => {
  if (one.kind !== 'differs') return null
  const { difference } = one
  return (
    <div className="flex flex-col gap-3">
      {difference.error?.right && <p className="text-bad [overflow-wrap:anywhere]">{difference.error.right}</p>}
      {comparedParts.map((part) => {
        const value = difference[part]
        return value && <Differences key={part} difference={value} name={part} />
      })}
    </div>
  )
}
