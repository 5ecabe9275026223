import type { CheckedStep, WorkflowCheck } from '../../../../src/model/workflows/workflow-check.ts'
import { flowEdges } from '../../../parts/graph/flow.ts'

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
