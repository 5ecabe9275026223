/** One bar: parts from the bottom up, each with the class of its colour. */
export interface DayBar {
  key: string
  title: string
  parts: { count: number; className: string }[]
}

const height = 48
const width = 8
const gap = 2

/** Bars of days side by side, with a scale of their own. Each bar says in words what it shows. */
export const DayBars = ({ label, bars }: { label: string; bars: DayBar[] }) => {
  const most = Math.max(1, ...bars.map(({ parts }) => parts.reduce((sum, { count }) => sum + count, 0)))
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox={`0 0 ${Math.max(1, bars.length * (width + gap) - gap)} ${height}`}
      className="h-12 w-full"
      preserveAspectRatio="none"
    >
      {bars.map(({ key, title, parts }, at) => {
        let top = height
        return (
          <g key={key}>
            <title>{title}</title>
            <rect x={at * (width + gap)} y={0} width={width} height={height} className="fill-sunk" />
            {parts.map(({ count, className }) => {
              // A part that exists is seen, however small it is.
              const part = count === 0 ? 0 : Math.max(1, (count / most) * height)
              top -= part
              return (
                <rect
                  key={className}
                  x={at * (width + gap)}
                  y={top}
                  width={width}
                  height={part}
                  className={className}
                />
              )
            })}
          </g>
        )
      })}
    </svg>
  )
}
