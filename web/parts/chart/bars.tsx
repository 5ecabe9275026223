/** The next round number: 1, 2 or 5 times a power of ten. Axes end there. */
export const roundAbove = (value: number): number => {
  if (!(value > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  for (const step of [1, 2, 5, 10]) if (step * power >= value) return step * power
  return 10 * power
}

/** Indices of the bars that get a label below them: at most `most`, evenly apart, the last one included. */
export const labelledBars = (count: number, most: number): number[] => {
  if (count === 0) return []
  const apart = Math.max(1, Math.ceil(count / most))
  return Array.from({ length: Math.ceil(count / apart) }, (_, at) => count - 1 - at * apart).reverse()
}

/** One part of each bar. */
export interface BarSeries {
  name: string
  /** Class that fills it, such as `fill-ok`. */
  fill: string
}

/** A bar: its parts in the order of the series. */
export interface ChartBar {
  label: string
  values: readonly (number | null)[]
}

interface BarsProps {
  title: string
  series: readonly BarSeries[]
  bars: readonly ChartBar[]
  /** Writes a value for people. */
  text: (value: number) => string
}

/** About as wide as it is shown, so that its texts have their size. */
const width = 480
const height = 132
const left = 44
const bottom = 18
const mostLabels = 8
/** Half of the width of a label. */
const labelHalf = 18
/** A few bars stand side by side at the left, they do not fill the width. */
const widestSlot = 72

/** A value beside the axis, where there is room for few characters: `$0.5` for `$0.5000`. */
const axisText = (text: string): string => text.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '')

/** Stacked bars on one axis, each with its values as a tooltip. */
export const Bars = ({ title, series, bars, text }: BarsProps) => {
  const sums = bars.map(({ values }) => values.reduce<number>((sum, value) => sum + (value ?? 0), 0))
  const top = roundAbove(Math.max(0, ...sums))
  const slot = Math.min(widestSlot, (width - left) / Math.max(1, bars.length))
  const scale = (height - bottom - 8) / top
  const labelled = new Set(labelledBars(bars.length, mostLabels))
  return (
    <figure>
      <figcaption className="mb-1 flex flex-wrap items-center gap-x-4 text-12">
        <span className="font-medium text-muted">{title}</span>
        {series.length > 1 &&
          series.map(({ name, fill }) => (
            <span key={name} className="inline-flex items-center gap-1.5 text-muted">
              <svg viewBox="0 0 8 8" className="size-2" aria-hidden>
                <rect width={8} height={8} rx={1.5} className={fill} />
              </svg>
              {name}
            </span>
          ))}
      </figcaption>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        className="w-full max-w-160"
        role="img"
        aria-label={`${title}, ${bars.length} bars`}
      >
        {[0, 0.5, 1].map((part) => (
          <g key={part}>
            <line
              x1={left}
              x2={width}
              y1={height - bottom - part * top * scale}
              y2={height - bottom - part * top * scale}
              className="stroke-line"
            />
            <text
              x={left - 6}
              y={height - bottom - part * top * scale + 4}
              textAnchor="end"
              className="fill-faint text-[11px]"
            >
              {axisText(text(part * top))}
            </text>
          </g>
        ))}
        {bars.map((bar, at) => (
          <BarAt key={bar.label} bar={bar} series={series} x={left + at * slot} slot={slot} scale={scale} text={text}>
            {labelled.has(at) ? bar.label : undefined}
          </BarAt>
        ))}
      </svg>
    </figure>
  )
}

interface BarAtProps extends Pick<BarsProps, 'series' | 'text'> {
  bar: ChartBar
  x: number
  slot: number
  scale: number
  children: string | undefined
}

const BarAt = ({ bar, series, x, slot, scale, text, children }: BarAtProps) => {
  const gap = Math.min(3, slot / 5)
  let y = height - bottom
  // The middle of a label at the right edge would stand outside.
  const isLast = x + slot / 2 > width - labelHalf
  const said = series.map(({ name }, at) => `${name} ${bar.values[at] === null ? '–' : text(bar.values[at] ?? 0)}`)
  return (
    <g>
      <title>{`${bar.label}: ${said.join(', ')}`}</title>
      <rect x={x} y={0} width={slot} height={height - bottom} className="fill-transparent hover:fill-sunk" />
      {series.map(({ name, fill }, at) => {
        const tall = (bar.values[at] ?? 0) * scale
        y -= tall
        return (
          tall > 0 && (
            <rect
              key={name}
              x={x + gap}
              y={y}
              width={slot - 2 * gap}
              height={Math.max(tall, 1)}
              rx={1}
              className={`pointer-events-none ${fill}`}
            />
          )
        )
      })}
      {children !== undefined && (
        <text
          x={isLast ? width : x + slot / 2}
          y={height - 4}
          textAnchor={isLast ? 'end' : 'middle'}
          className="fill-faint text-[11px]"
        >
          {children}
        </text>
      )}
    </g>
  )
}
