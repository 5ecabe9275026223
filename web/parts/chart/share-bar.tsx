/** One part of a bar, with the class that fills it, such as `fill-ok`. */
export interface BarPart {
  name: string
  count: number
  fill: string
}

const width = 100
const height = 6

/** One bar of parts side by side; what the parts leave of the total stays empty. */
export const ShareBar = ({ label, total, parts }: { label: string; total: number; parts: readonly BarPart[] }) => {
  let x = 0
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      className="h-1.5 w-full overflow-hidden rounded-s"
    >
      <title>{label}</title>
      <rect width={width} height={height} className="fill-line" />
      {parts.map(({ name, count, fill }) => {
        if (count === 0 || total === 0) return null
        const [from, wide] = [x, (count / total) * width]
        x += wide
        return <rect key={name} x={from} width={Math.max(wide, 0.5)} height={height} className={fill} />
      })}
    </svg>
  )
}
