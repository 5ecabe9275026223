import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { LargeValue } from '../../../src/model/runs/step.ts'
import type { RunAddress } from '../../data/run.ts'
import { largeValueQuery, type StepSection } from '../../data/step.ts'
import { bytesText } from '../../text/bytes.ts'
import { Button } from '../../ui/button.tsx'
import { JsonTree } from '../json-tree/json-tree.tsx'
import { TextView } from '../text-view/text-view.tsx'

const inlineLength = 120

/** A value of any kind: a short one on its line, a text as text, everything else as a tree. */
export const ValueBox = ({
  value,
  path,
  label,
  isProse = false,
}: {
  value: unknown
  path: string
  label: string
  isProse?: boolean
}) => {
  if (typeof value === 'string') {
    if (value === '') return <span className="text-faint">empty text</span>
    return <TextView text={value} isProse={isProse} />
  }
  if (value === null || typeof value !== 'object') return <code className="font-mono text-12">{String(value)}</code>
  const text = JSON.stringify(value)
  if (text.length <= inlineLength) return <code className="break-words font-mono text-12">{text}</code>
  return <JsonTree value={value} path={path} label={label} />
}

interface LargeProps {
  reference: LargeValue
  place: RunAddress
  step: string
  of: StepSection
  member?: string
  path: string
  label: string
}

/** A value that the server left out: its beginning, and a button that loads the rest. */
export const LargeValueBox = ({ reference, place, step, of, member, path, label }: LargeProps) => {
  const [isWanted, setWanted] = useState(false)
  const { data, error, isFetching, refetch } = useQuery({
    ...largeValueQuery(place, step, of, member),
    enabled: isWanted,
  })
  if (data !== undefined) return <ValueBox value={data} path={path} label={label} />
  const { bytes, preview } = reference.$large
  return (
    <div className="flex flex-col gap-2">
      <p className="line-clamp-6 whitespace-pre-wrap font-mono text-12 text-muted [overflow-wrap:anywhere]">
        {preview}…
      </p>
      {error && (
        <p role="alert" className="text-bad">
          {error.message}
        </p>
      )}
      <span>
        <Button disabled={isFetching} onClick={() => (isWanted ? void refetch() : setWanted(true))}>
          {isFetching ? 'Loading…' : `Load all ${bytesText(bytes)}`}
        </Button>
      </span>
    </div>
  )
}
