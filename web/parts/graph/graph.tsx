import { useMemo } from 'react'
import type { Run } from '../../data/run.ts'
import { StatusMark, statusWord } from '../../ui/status.tsx'
import { countsText } from '../timeline/row.tsx'
import { GraphCanvas } from './canvas.tsx'
import { layoutOf } from './layout.ts'
import { type GraphNode, runGraph } from './run-graph.ts'

interface GraphProps {
  run: Run
  chosen: string | undefined
  onChoose: (id: string) => void
}

/** What reads what, and what came after what. */
const Graph = ({ run, chosen, onChoose }: GraphProps) => {
  const graph = useMemo(() => runGraph(run, chosen), [run, chosen])
  // A new status moves nothing: only other boxes or edges are laid out anew.
  const shape = JSON.stringify([graph.nodes.map(({ id }) => id), graph.edges])
  // biome-ignore lint/correctness/useExhaustiveDependencies: the shape stands for the graph
  const layout = useMemo(() => layoutOf(graph), [shape])
  const near = new Set(graph.nodes.filter((node) => holds(node, chosen)).map(({ id }) => id))
  return (
    <GraphCanvas
      nodes={graph.nodes}
      edges={graph.edges}
      layout={layout}
      near={near}
      boxOf={(node) => ({
        isChosen: near.has(node.id),
        title: node.label,
        isDashed: node.kind === 'pending',
        onChoose: () => onChoose(node.kind === 'chain' ? node.steps[0]! : node.id),
      })}
      note={graph.left > 0 && `${graph.left} more steps are in the timeline: this shows those around the chosen one.`}
    >
      {(node) => <StepBox node={node} />}
    </GraphCanvas>
  )
}

const holds = ({ id, steps }: GraphNode, chosen: string | undefined): boolean =>
  chosen !== undefined && (id === chosen || steps.includes(chosen))

const StepBox = ({ node }: { node: GraphNode }) => (
  <>
    <StatusMark of={node.status} label={statusWord(node.status)} />
    <span className="min-w-0 flex-1">
      <span className={`block truncate leading-4 ${node.kind === 'pending' ? 'text-muted' : ''}`}>{node.label}</span>
      <span className="block truncate text-11 text-muted leading-3.5">
        {node.kind === 'chain' || node.kind === 'loop' ? manyText(node) : node.activity}
      </span>
    </span>
  </>
)

const manyText = ({ steps, counts }: GraphNode): string =>
  Object.keys(counts).length === 1 ? `${steps.length} steps` : `${steps.length} steps  ${countsText(counts)}`

export default Graph
