import { useState } from 'react'
import { fileAddress } from '../../parts/media/media-kind.ts'

/** Two pictures over each other, with an edge to move. */
export const ImageSlider = ({ left, right }: { left: string; right: string }) => {
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
