import { useMemo } from 'react'
import type { CheckedStep, WorkflowCheck } from '../../../../src/model/workflows/workflow-check.ts'
import { flowEdges } from '../../../parts/graph/flow.ts'
import { boxHeight, boxWidth, layoutOf, linePath } from '../../../parts/graph/layout.ts'
import { Icon } from '../../../ui/icon.tsx'

/** A connection between two steps. */
interface WorkflowEdge {
  from: string
  to: string
  kind: 'reads' | 'after'
  /** Stands at an edge of a branch. */
  label?: 'true' | 'false'
}

/** Larger graphs are neither readable nor fast to lay out. */
const mostShownSteps = 200

/** Steps and edges of a workflow: what reads what, where branches lead, and otherwise what comes after what. */
export const workflowGraph = (
  check: Pick<WorkflowCheck, 'steps' | 'execution'>,
): { steps: CheckedStep[]; edges: WorkflowEdge[]; left: number } => {
  const steps = check.steps.slice(0, mostShownSteps)
  const names = new Set(steps.map(({ name }) => name))
  const edges = new Map<string, WorkflowEdge>()
  const add = (edge: WorkflowEdge) => {
    const key = `${edge.from}\n${edge.to}`
    if (edge.from !== edge.to && names.has(edge.from) && names.has(edge.to) && !edges.has(key)) edges.set(key, edge)
  }
  for (const { name, branch } of steps) {
    if (branch?.true) add({ from: name, to: branch.true, kind: 'reads', label: 'true' })
    if (branch?.false) add({ from: name, to: branch.false, kind: 'reads', label: 'false' })
  }
  const placeOf = new Map(steps.map(({ name }, at) => [name, at]))
  for (const { name, depends_on } of steps) {
    for (const other of depends_on) {
      // In a loop a step may read a later one, as of the turn before: drawn, that would be a circle.
      if (check.execution === 'parallel' || placeOf.get(other)! < placeOf.get(name)!) {
        add({ from: other, to: name, kind: 'reads' })
      }
    }
  }
  if (check.execution === 'sequential') {
    const reached = new Set([...edges.values()].map(({ to }) => to))
    const inOrder = steps.map(({ name, branch }) => {
      const arms = [branch?.true_steps ?? [], branch?.false_steps ?? []].filter((names) => names.length > 0)
      return { id: name, arms, mayPass: arms.length < 2 }
    })
    for (const { from, to, ends } of flowEdges(inOrder)) {
      if (ends > 1 || !reached.has(to)) add({ from, to, kind: 'after' })
    }
  }
  return { steps, edges: [...edges.values()], left: check.steps.length - steps.length }
}

interface WorkflowGraphProps {
  check: WorkflowCheck
  chosen: string | undefined
  onChoose: (step: string) => void
}

/** The steps of a workflow as a picture. */
const WorkflowGraphView = ({ check, chosen, onChoose }: WorkflowGraphProps) => {
  const { steps, edges, left } = useMemo(() => workflowGraph(check), [check])
  const layout = useMemo(() => layoutOf({ nodes: steps.map(({ name }) => ({ id: name })), edges }), [steps, edges])
  const faulty = new Set(check.problems.filter(({ severity }) => severity === 'error').map(({ step }) => step))
  return (
    <div className="min-h-0 flex-1 overflow-auto">
      <div className="relative mx-auto" style={{ width: layout.width, height: layout.height }}>
        <svg width={layout.width} height={layout.height} className="absolute inset-0 fill-none" aria-hidden>
          <defs>
            <marker
              id="workflow-arrow"
              viewBox="0 0 8 8"
              refX="7"
              refY="4"
              markerWidth="7"
              markerHeight="7"
              orient="auto"
            >
              <path d="M0 1l7 3-7 3z" className="fill-edge" />
            </marker>
          </defs>
          {edges.map(({ from, to, kind, label }, at) => {
            const points = layout.edges[at] ?? []
            const middle = points[Math.floor(points.length / 2)]
            return (
              <g key={`${from}\n${to}`}>
                <path
                  d={linePath(points)}
                  markerEnd="url(#workflow-arrow)"
                  strokeDasharray={kind === 'after' ? '3 4' : undefined}
                  className={from === chosen || to === chosen ? 'stroke-accent' : 'stroke-edge'}
                />
                {label && middle && (
                  <text x={middle.x + 4} y={middle.y} className="fill-muted stroke-none text-[11px]">
                    {label}
                  </text>
                )}
              </g>
            )
          })}
        </svg>
        {steps.map(({ name, activity, loop }) => {
          const place = layout.boxes.get(name)
          return (
            <button
              key={name}
              type="button"
              aria-pressed={name === chosen}
              onClick={() => onChoose(name)}
              className={`absolute flex items-center gap-2 rounded-m border px-2.5 text-left ${name === chosen ? 'border-accent bg-selection' : 'border-line bg-raised hover:border-edge'}`}
              style={{ left: place?.x ?? 0, top: place?.y ?? 0, width: boxWidth, height: boxHeight }}
            >
              {faulty.has(name) && <Icon name="cross" label="Has an error" className="text-bad" />}
              <span className="min-w-0 flex-1">
                <span className="block truncate leading-4">{name}</span>
                <span className="block truncate text-11 text-faint leading-3.5">{activity ?? 'no activity'}</span>
              </span>
              {loop && <Icon name="again" label={`Repeated by ${loop.counter}`} className="text-muted" />}
            </button>
          )
        })}
      </div>
      {left > 0 && <p className="px-4 py-2 text-muted">{left} more steps are not shown.</p>}
    </div>
  )
}

export default WorkflowGraphView
