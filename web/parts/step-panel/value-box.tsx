import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { isObject } from '../../../src/lib/json/json-object.ts'
import type { LargeValue } from '../../../src/model/runs/step.ts'
import type { RunAddress } from '../../data/run.ts'
import { largeValueQuery, type StepSection } from '../../data/run-query.ts'
import { bytesText } from '../../text/numbers.ts'
import { Button } from '../../ui/button.tsx'
import { JsonTree } from '../json-tree/json-tree.tsx'
import { TextView } from '../text-view/text-view.tsx'

/** Which members of a part of a step are references; `whole`: the part itself is one. */
export const largeMembers = (pointers: readonly string[], section: StepSection): string[] | 'whole' => {
  const members: string[] = []
  for (const pointer of pointers) {
    if (pointer === `/${section}`) return 'whole'
    const prefix = `/${section}/`
    if (pointer.startsWith(prefix)) {
      members.push(pointer.slice(prefix.length).replaceAll('~1', '/').replaceAll('~0', '~'))
    }
  }
  return members
}

/** A value as rows of texts below the names of its columns. */
export interface OutputTable {
  name: string
  columns: string[]
  rows: string[][]
  /** Rows that are not shown. */
  left: number
}

const mostRows = 50
const mostColumns = 12
const mostTables = 4

const isSimple = (value: unknown): boolean =>
  value === null || typeof value !== 'object' || (Array.isArray(value) && value.every((one) => typeof one === 'string'))

const cellText = (value: unknown): string => {
  if (value === undefined || value === null) return ''
  if (Array.isArray(value)) return value.join(', ')
  return typeof value === 'string' ? value : String(value)
}

/** Files and child runs have views of their own. */
const isShownElsewhere = (one: Record<string, unknown>): boolean => 'content_type' in one || 'trajectory_id' in one

/** A list of two or more objects with simple members, as a table; undefined for any other value. */
const tableOfList = (name: string, value: unknown): OutputTable | undefined => {
  if (!Array.isArray(value) || value.length < 2) return undefined
  const shown = value.slice(0, mostRows)
  if (!shown.every((one) => isObject(one) && Object.values(one).every(isSimple))) return undefined
  if (shown.every(isShownElsewhere)) return undefined
  const columns = [...new Set(shown.flatMap((one: Record<string, unknown>) => Object.keys(one)))]
  if (columns.length === 0 || columns.length > mostColumns) return undefined
  const rows = shown.map((one: Record<string, unknown>) => columns.map((column) => cellText(one[column])))
  return { name, columns, rows, left: value.length - shown.length }
}

/** The simple members of an object, one a row. */
const tableOfMembers = (name: string, value: Record<string, unknown>): OutputTable | undefined => {
  const rows = Object.entries(value).filter(([, one]) => isSimple(one))
  if (rows.length === 0) return undefined
  const shown = rows.slice(0, mostRows).map(([member, one]) => [member, cellText(one)])
  return { name, columns: ['', ''], rows: shown, left: rows.length - shown.length }
}

/** The members of the outputs that are read best as a table: lists of objects, and an answer that fits a schema. */
export const outputTables = (
  outputs: Readonly<Record<string, unknown>>,
  inputs: Readonly<Record<string, unknown>>,
): OutputTable[] => {
  const answer = isObject(inputs.output_schema) ? (outputs.json ?? outputs.result) : undefined
  const inAnswer = isObject(answer) ? answer : {}
  const tables = [
    isObject(answer) ? tableOfMembers('Answer', answer) : undefined,
    ...Object.entries({ ...outputs, ...inAnswer }).map(([name, value]) => tableOfList(name, value)),
  ]
  return tables.filter((table) => table !== undefined).slice(0, mostTables)
}

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
