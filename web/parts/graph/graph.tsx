import { useEffect, useMemo, useRef, useState } from 'react'
import type { Run } from '../../data/run.ts'
import { IconButton } from '../../ui/button.tsx'
import { StatusMark, statusWord } from '../../ui/status.tsx'
import { countsText } from '../timeline/row.tsx'
import { boxHeight, boxWidth, type GraphLayout, layoutOf, linePath } from './layout.ts'
import { type GraphNode, type RunGraph, runGraph } from './run-graph.ts'

interface GraphProps {
  run: Run
  chosen: string | undefined
  onChoose: (id: string) => void
}

const scales = [0.4, 0.6, 0.8, 1, 1.25]

/** What reads what, and what came after what. */
const Graph = ({ run, chosen, onChoose }: GraphProps) => {
  const graph = useMemo(() => runGraph(run, chosen), [run, chosen])
  // A new status moves nothing: only other boxes or edges are laid out anew.
  const shape = JSON.stringify([graph.nodes.map(({ id }) => id), graph.edges])
  // biome-ignore lint/correctness/useExhaustiveDependencies: the shape stands for the graph
  const layout = useMemo(() => layoutOf(graph), [shape])
  const [size, setSize] = useState(3)
  const scale = scales[size]!
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    box.current?.querySelector('[aria-pressed=true]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  }, [])
  return (
    <div className="relative min-h-0 flex-1">
      <div ref={box} className="size-full overflow-auto">
        <div className="relative mx-auto" style={{ width: layout.width * scale, height: layout.height * scale }}>
          <div
            className="absolute top-0 left-0 origin-top-left"
            style={{ width: layout.width, height: layout.height, scale: `${scale}` }}
          >
            <Edges graph={graph} layout={layout} chosen={chosen} />
            {graph.nodes.map((node) => (
              <Box
                key={node.id}
                node={node}
                place={layout.boxes.get(node.id)}
                isChosen={holds(node, chosen)}
                onChoose={onChoose}
              />
            ))}
          </div>
        </div>
      </div>
      <div className="absolute right-3 bottom-3 flex rounded-m border border-line bg-raised">
        <IconButton icon="minus" label="Smaller" disabled={size === 0} onClick={() => setSize(size - 1)} />
        <IconButton
          icon="plus"
          label="Larger"
          disabled={size === scales.length - 1}
          onClick={() => setSize(size + 1)}
        />
      </div>
      {graph.left > 0 && (
        <p className="absolute top-3 left-4 rounded-m border border-line bg-raised px-2 py-1 text-12 text-muted">
          {graph.left} more steps are in the timeline: this shows those around the chosen one.
        </p>
      )}
    </div>
  )
}

const holds = ({ id, steps }: GraphNode, chosen: string | undefined): boolean =>
  chosen !== undefined && (id === chosen || steps.includes(chosen))

const Edges = ({ graph, layout, chosen }: { graph: RunGraph; layout: GraphLayout; chosen: string | undefined }) => {
  const near = new Set(graph.nodes.filter((node) => holds(node, chosen)).map(({ id }) => id))
  return (
    <svg width={layout.width} height={layout.height} className="absolute inset-0 fill-none" aria-hidden>
      <defs>
        <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
          <path d="M0 1l7 3-7 3z" className="fill-edge" />
        </marker>
      </defs>
      {graph.edges.map(({ from, to, kind }, at) => (
        <path
          key={`${from}\n${to}`}
          d={linePath(layout.edges[at] ?? [])}
          markerEnd="url(#arrow)"
          strokeDasharray={kind === 'after' ? '3 4' : undefined}
          className={near.has(from) || near.has(to) ? 'stroke-accent' : 'stroke-edge'}
        />
      ))}
    </svg>
  )
}

interface BoxProps {
  node: GraphNode
  place: { x: number; y: number } | undefined
  isChosen: boolean
  onChoose: (id: string) => void
}

const Box = ({ node, place, isChosen, onChoose }: BoxProps) => (
  <button
    type="button"
    aria-pressed={isChosen}
    title={node.label}
    onClick={() => onChoose(node.kind === 'chain' ? node.steps[0]! : node.id)}
    className={`absolute flex items-center gap-2 rounded-m border px-2.5 text-left ${isChosen ? 'border-accent bg-selection' : 'border-line bg-raised hover:border-edge'} ${node.kind === 'pending' ? 'border-dashed' : ''}`}
    style={{ left: place?.x ?? 0, top: place?.y ?? 0, width: boxWidth, height: boxHeight }}
  >
    <StatusMark of={node.status} label={statusWord(node.status)} />
    <span className="min-w-0 flex-1">
      <span className={`block truncate leading-4 ${node.kind === 'pending' ? 'text-muted' : ''}`}>{node.label}</span>
      <span className="block truncate text-11 text-muted leading-3.5">
        {node.kind === 'chain' || node.kind === 'loop' ? manyText(node) : node.activity}
      </span>
    </span>
  </button>
)

const manyText = ({ steps, counts }: GraphNode): string =>
  Object.keys(counts).length === 1 ? `${steps.length} steps` : `${steps.length} steps  ${countsText(counts)}`

export default Graph
