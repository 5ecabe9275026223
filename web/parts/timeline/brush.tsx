import { type KeyboardEvent, type PointerEvent, useRef, useState } from 'react'
import { durationText } from '../../text/duration.ts'
import { withPlaces } from '../with-places.ts'
import type { Density } from './density.ts'
import type { TimeScale } from './time-scale.ts'

/** A part of the strip, from 0 to 1. */
export interface ShownPart {
  from: number
  to: number
}

export const wholeRange: ShownPart = { from: 0, to: 1 }
const least = 0.01

interface BrushProps {
  scale: TimeScale
  columns: readonly Density[]
  range: ShownPart
  onChange: (range: ShownPart) => void
}

/** The whole run in one strip: how many steps were at work when. A drag chooses the part that the timeline shows. */
export const Brush = ({ scale, columns, range, onChange }: BrushProps) => {
  const box = useRef<HTMLDivElement>(null)
  const [begun, setBegun] = useState<number>()
  const place = (event: PointerEvent): number => {
    const { left, width } = box.current?.getBoundingClientRect() ?? { left: 0, width: 1 }
    return Math.min(1, Math.max(0, (event.clientX - left) / width))
  }
  const drag = (event: PointerEvent) => {
    if (begun === undefined) return
    const at = place(event)
    const next = { from: Math.min(begun, at), to: Math.max(begun, at) }
    onChange(next.to - next.from < least ? wholeRange : next)
  }
  const top = Math.max(1, ...columns.map(({ busy }) => busy))
  const isWhole = range.from === 0 && range.to === 1
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: its two handles take the keys
    <div
      ref={box}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId)
        setBegun(place(event))
      }}
      onPointerMove={drag}
      onPointerUp={() => setBegun(undefined)}
      onPointerCancel={() => setBegun(undefined)}
      onDoubleClick={() => onChange(wholeRange)}
      title={isWhole ? 'Drag to look at a part' : 'Double-click to see all'}
      className="relative h-6 min-w-24 flex-1 cursor-crosshair touch-none overflow-hidden rounded-s bg-sunk"
    >
      <svg viewBox={`0 0 ${columns.length} 24`} preserveAspectRatio="none" className="size-full" aria-hidden>
        {withPlaces(columns).map(({ element: { busy, failed }, place: at }) => {
          const height = busy === 0 ? 0 : 4 + (busy / top) * 18
          return (
            <rect
              key={at}
              x={at}
              width={0.85}
              y={24 - height}
              height={height}
              className={failed ? 'fill-bad' : 'fill-edge'}
            />
          )
        })}
      </svg>
      {!isWhole && (
        <>
          <span className="absolute inset-y-0 left-0 bg-bg opacity-60" style={{ width: `${range.from * 100}%` }} />
          <span className="absolute inset-y-0 right-0 bg-bg opacity-60" style={{ width: `${(1 - range.to) * 100}%` }} />
        </>
      )}
      <Handle
        name="Beginning"
        at={range.from}
        scale={scale}
        onMove={(to) => onChange({ from: Math.min(to, range.to - least), to: range.to })}
      />
      <Handle
        name="End"
        at={range.to}
        scale={scale}
        onMove={(to) => onChange({ from: range.from, to: Math.max(to, range.from + least) })}
      />
    </div>
  )
}

interface HandleProps {
  name: string
  at: number
  scale: TimeScale
  onMove: (to: number) => void
}

const Handle = ({ name, at, scale, onMove }: HandleProps) => {
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02, PageDown: -0.1, PageUp: 0.1, Home: -1, End: 1 }[event.key]
    if (step === undefined) return
    event.preventDefault()
    event.stopPropagation()
    onMove(Math.min(1, Math.max(0, at + step)))
  }
  return (
    <span
      role="slider"
      tabIndex={0}
      aria-label={`${name} of the part shown`}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(at * 100)}
      aria-valuetext={durationText((scale.moment(at) - scale.from) / 1000)}
      onKeyDown={onKeyDown}
      className="absolute inset-y-0 w-0.5 bg-edge"
      style={{ left: at === 1 ? 'calc(100% - 2px)' : `${at * 100}%` }}
    />
  )
}
