import { diffWordsWithSpace } from 'diff'
import { useMemo } from 'react'
import { withPlaces } from '../../parts/with-places.ts'

/** Longer texts are shown one above the other: comparing word by word would stop the page. */
const mostCharacters = 20_000

/** Two texts as one: what is gone is struck through, what is new is underlined. */
const TextDiff = ({ left, right }: { left: string; right: string }) => {
  const parts = useMemo(
    () => (left.length + right.length > mostCharacters ? undefined : diffWordsWithSpace(left, right)),
    [left, right],
  )
  if (!parts) {
    return (
      <div className="flex flex-col gap-2">
        <p className="whitespace-pre-wrap text-muted [overflow-wrap:anywhere]">{left.slice(0, mostCharacters)}</p>
        <p className="whitespace-pre-wrap [overflow-wrap:anywhere]">{right.slice(0, mostCharacters)}</p>
      </div>
    )
  }
  return (
    <p className="whitespace-pre-wrap [overflow-wrap:anywhere]">
      {withPlaces(parts).map(({ element: { value, added, removed }, place: at }) => {
        if (added)
          return (
            <ins key={at} className="bg-ok/15 decoration-ok underline-offset-2 [del+&]:ml-1">
              {value}
            </ins>
          )
        if (removed)
          return (
            <del key={at} className="bg-bad/10 text-muted decoration-bad">
              {value}
            </del>
          )
        return <span key={at}>{value}</span>
      })}
    </p>
  )
}

export default TextDiff
