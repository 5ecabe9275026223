import { useQueries } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import type { LargeValue } from '../../../src/model/runs/step.ts'
import type { RunAddress, WholeStep } from '../../data/run.ts'
import { largeValueQuery } from '../../data/step.ts'
import { conversationOf } from '../conversation/conversation.ts'
import { ConversationView } from '../conversation/conversation-view.tsx'
import { JsonTree } from '../json-tree/json-tree.tsx'
import { Media } from '../media/media.tsx'
import { filesNamedIn } from '../media/media-kind.ts'
import { TextView } from '../text-view/text-view.tsx'
import { withPlaces } from '../with-places.ts'
import { largeMembers } from './large-members.ts'
import { type OutputTable, outputTables } from './output-tables.ts'
import { hasTools, ToolConversation } from './tool-outputs.tsx'
import { LargeValueBox } from './value-box.tsx'

const isNumber = (cell: string): boolean => /^-?\d[\d.]*$/.test(cell)
const longCell = 30

/** Rows of an output, which can be scrolled sideways. */
const OutputTableView = ({ table: { name, columns, rows, left } }: { table: OutputTable }) => {
  const isNamed = columns.some((column) => column !== '')
  return (
    <section aria-label={name}>
      <h3 className="mb-1 font-medium text-12 text-muted">{name}</h3>
      <section
        aria-label={`Table of ${name}`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so that the keyboard must reach it
        tabIndex={0}
        className="max-h-80 overflow-auto rounded-m border border-line"
      >
        <table className="w-full border-collapse text-12">
          {isNamed && (
            <thead>
              <tr className="sticky top-0 bg-sunk">
                {columns.map((column) => (
                  <th key={column} className="whitespace-nowrap border-line border-b px-3 py-1 text-left font-medium">
                    {column}
                  </th>
                ))}
              </tr>
            </thead>
          )}
          <tbody>
            {withPlaces(rows).map(({ element: row, place }) => (
              <tr key={place} className="border-line border-b last:border-0">
                {withPlaces(row).map(({ element: cell, place: column }) =>
                  !isNamed && column === 0 ? (
                    <th
                      key={column}
                      scope="row"
                      className="w-px whitespace-nowrap px-3 py-1 text-left font-mono font-normal"
                    >
                      {cell}
                    </th>
                  ) : (
                    <td
                      key={column}
                      className={
                        isNamed
                          ? `max-w-60 truncate px-3 py-1 ${isNumber(cell) ? 'tabular-nums' : ''}`
                          : 'break-words px-3 py-1'
                      }
                      title={isNamed && cell.length > longCell ? cell : undefined}
                    >
                      {cell}
                    </td>
                  ),
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {left > 0 && <p className="mt-1 text-12 text-muted">{left} more rows are in the tree below.</p>}
    </section>
  )
}

interface OutputsProps {
  step: WholeStep
  place: RunAddress
  initParams: Record<string, unknown>
}

/** What a step made: a conversation, files and texts as what they are, and everything as a tree. */
export const Outputs = ({ step, place, initParams }: OutputsProps) => {
  const large = largeMembers(step.large_values, 'outputs')
  const path = `${step.key}.outputs`
  if (large === 'whole') {
    const reference = step.outputs as unknown as LargeValue
    return <LargeValueBox reference={reference} place={place} step={step.key} of="outputs" path={path} label="output" />
  }
  if (step.ended === null && hasTools(step)) return <ToolConversation step={step} place={place} />
  if (Object.keys(step.outputs).length === 0) {
    return (
      <p className="text-muted">{step.ended === null ? 'This step has no output yet.' : 'This step has no output.'}</p>
    )
  }
  return <KnownOutputs step={step} place={place} initParams={initParams} large={large} path={path} />
}

const KnownOutputs = ({ step, place, initParams, large, path }: OutputsProps & { large: string[]; path: string }) => {
  const [wanted, setWanted] = useState<readonly string[]>([])
  const loaded = useQueries({ queries: wanted.map((member) => largeValueQuery(place, step.key, 'outputs', member)) })
  const known = wanted.flatMap((member, at) =>
    loaded[at]?.data === undefined ? [] : [[member, loaded[at].data] as const],
  )
  const outputs = { ...step.outputs, ...Object.fromEntries(known) }
  const left = large.filter((member) => !known.some(([name]) => name === member))
  const conversation = useMemo(() => conversationOf(step, initParams), [step, initParams])
  const files = useMemo(() => filesNamedIn(step.outputs, place.collection), [step.outputs, place.collection])
  const tables = outputTables(outputs, step.inputs)
  const texts = conversation ? [] : textsOf(outputs, left)
  return (
    <div className="flex flex-col gap-4">
      {conversation && hasTools(step) && <ToolConversation step={step} place={place} />}
      {conversation && !hasTools(step) && (
        <ConversationView conversation={conversation} collection={place.collection} />
      )}
      {files.length > 0 && !conversation && (
        <div className="grid grid-cols-1 gap-3 xl:grid-cols-2">
          {files.map((file) => (
            <div key={file.path} className={file.kind === 'image' ? '' : 'xl:col-span-2'}>
              <Media file={file} />
            </div>
          ))}
        </div>
      )}
      {tables.map((table) => (
        <OutputTableView key={table.name} table={table} />
      ))}
      {texts.map(([name, text]) => (
        <section key={name} aria-label={name}>
          <h3 className="mb-1 font-medium text-12 text-muted">{name}</h3>
          <TextView text={text} isProse={!printed.has(name)} />
        </section>
      ))}
      <JsonTree
        value={outputs}
        path={path}
        label="output"
        large={left}
        onLoad={(member) => setWanted([...new Set([...wanted, member])])}
      />
    </div>
  )
}

const longText = 80

/** Outputs that programs print; nobody wrote them as Markdown. */
const printed: ReadonlySet<string> = new Set(['stdout', 'stderr', 'output'])

/** Texts that are better read as text than in a tree: long ones, each once. */
const textsOf = (outputs: Record<string, unknown>, large: readonly string[]): [name: string, text: string][] => {
  const seen = new Set<string>()
  return Object.entries(outputs).filter((entry): entry is [string, string] => {
    const [name, text] = entry
    if (typeof text !== 'string' || large.includes(name) || seen.has(text)) return false
    seen.add(text)
    return text.length > longText || text.includes('\n')
  })
}
