import { isOpen, type Run, type RunStep, stepsInOrder } from '../../data/run.ts'
import { countStatuses, loopsOf, type StatusCounts } from '../timeline/rows.ts'
import { flowEdges } from './flow.ts'

/** A box of the graph: one step, a loop, a chain of steps, or a step that has not begun. */
export interface GraphNode {
  id: string
  kind: 'step' | 'loop' | 'chain' | 'pending'
  label: string
  /** Recorded names of its steps; empty for a step that has not begun. */
  steps: string[]
  status: string
  counts: StatusCounts
  activity: string
}

/** `reads`: the target reads the source. `after`: it only comes after it. */
export interface GraphEdge {
  from: string
  to: string
  kind: 'reads' | 'after'
}

interface RunGraph {
  nodes: GraphNode[]
  edges: GraphEdge[]
  /** Steps that the graph leaves out because it is too large. */
  left: number
}

/** More boxes are neither readable nor fast to lay out. */
const mostNodes = 300

/** The worst or most urgent status of several steps: what a box of many steps shows. */
export const leadingStatus = (counts: StatusCounts): string =>
  ['failed', 'partial', 'waiting', 'running', 'cancelled', 'pending', 'completed', 'skipped'].find(
    (status) => counts[status],
  ) ?? 'pending'

const boxOf = (id: string, kind: GraphNode['kind'], label: string, steps: readonly RunStep[]): GraphNode => {
  const counts = countStatuses(steps)
  return {
    id,
    kind,
    label,
    steps: steps.map(({ key }) => key),
    status: leadingStatus(counts),
    counts,
    activity: steps.length === 1 ? steps[0]!.activity : '',
  }
}

/** Boxes for the recorded steps, loops as one box each, then the steps that are still to come. */
const boxesOf = (run: Run): GraphNode[] => {
  const steps = stepsInOrder(run)
  const loops = loopsOf(steps, new Set(run.total_steps))
  const boxes: GraphNode[] = []
  let at = 0
  for (const loop of loops) {
    for (const step of steps.slice(at, loop.first)) boxes.push(boxOf(step.key, 'step', step.key, [step]))
    const turns = steps.slice(loop.first, loop.last + 1)
    boxes.push(boxOf(`:${loop.counter}`, 'loop', `${loop.counter} ×${loop.turns}`, turns))
    at = loop.last + 1
  }
  for (const step of steps.slice(at)) boxes.push(boxOf(step.key, 'step', step.key, [step]))
  const begun = new Set(steps.map(({ key }) => key))
  const status = isOpen(run) ? 'pending' : 'skipped'
  const later = run.total_steps.filter((name) => !begun.has(name))
  return [
    ...boxes,
    ...later.map((name): GraphNode => {
      return { id: name, kind: 'pending', label: name, steps: [], status, counts: {}, activity: '' }
    }),
  ]
}

/** Boxes in the order of execution, with the arms that each branch chose from: what it took, and what was skipped. */
const orderedBoxes = (run: Run, boxes: readonly GraphNode[]) => {
  const arms = new Map<string, { taken: string[]; skipped: string[] }>()
  for (const { id } of boxes) {
    const step = run.steps[id]
    const branch = step?.decided_by?.at(-1)
    if (!step || branch === undefined) continue
    const arm = arms.get(branch) ?? { taken: [], skipped: [] }
    arms.set(branch, arm)
    arm[step.status === 'skipped' ? 'skipped' : 'taken'].push(id)
  }
  return boxes.map(({ id }) => {
    const { taken = [], skipped = [] } = arms.get(id) ?? {}
    const drawn = [taken, skipped].filter((names) => names.length > 0)
    return { id, arms: drawn, mayPass: drawn.length < 2 }
  })
}

/** Edges between boxes: what reads what, and in a run without side-by-side steps also what comes after what. */
const edgesOf = (run: Run, boxes: readonly GraphNode[], inOrder: boolean): GraphEdge[] => {
  const boxOfStep = new Map<string, string>()
  const placeOf = new Map(boxes.map(({ id }, at) => [id, at]))
  for (const { id, steps } of boxes) for (const name of [id, ...steps]) boxOfStep.set(name, id)
  const edges = new Map<string, GraphEdge>()
  const link = (from: string | undefined, to: string, kind: GraphEdge['kind']) => {
    if (from !== undefined && from !== to && !edges.has(`${from}\n${to}`))
      edges.set(`${from}\n${to}`, { from, to, kind })
  }
  for (const [at, box] of boxes.entries()) {
    for (const name of box.steps.flatMap((key) => run.steps[key]?.depends_on ?? [])) {
      const from = boxOfStep.get(name)
      if (from !== undefined && placeOf.get(from)! < at) link(from, box.id, 'reads')
    }
  }
  if (inOrder) for (const { from, to } of flowEdges(orderedBoxes(run, boxes))) link(from, to, 'after')
  return [...edges.values()]
}

/** Whether steps of a run were at work at the same time. */
const isSideBySide = (steps: readonly Pick<RunStep, 'created' | 'ended' | 'status'>[]): boolean => {
  let latest = Number.NEGATIVE_INFINITY
  for (const { created, ended, status } of steps) {
    if (status === 'skipped') continue
    if (Date.parse(created) < latest) return true
    latest = Math.max(latest, ended === null ? Number.POSITIVE_INFINITY : Date.parse(ended))
  }
  return false
}

/**
 * The graph of a run. Chains of completed steps become one box each while there are more than `most` boxes; what is still
 * too much is left out from the far ends, around `chosen`.
 */
export const runGraph = (run: Run, chosen: string | undefined, most = mostNodes): RunGraph => {
  const boxes = boxesOf(run)
  const edges = edgesOf(run, boxes, !isSideBySide(stepsInOrder(run)))
  if (boxes.length <= most) return { nodes: boxes, edges, left: 0 }
  const smaller = collapseChains({ nodes: boxes, edges, left: 0 }, chosen)
  return smaller.nodes.length <= most ? smaller : windowOf(smaller, chosen, most)
}

/** Joins boxes that have one way in and one way out and nothing to say, three or more in a row. */
export const collapseChains = ({ nodes, edges, left }: RunGraph, chosen: string | undefined): RunGraph => {
  const into = new Map<string, number>()
  const out = new Map<string, string[]>()
  for (const { from, to } of edges) {
    into.set(to, (into.get(to) ?? 0) + 1)
    out.set(from, [...(out.get(from) ?? []), to])
  }
  const isQuiet = ({ id, kind, status, steps }: GraphNode) =>
    kind === 'step' &&
    (status === 'completed' || status === 'skipped') &&
    !steps.includes(chosen ?? '') &&
    (into.get(id) ?? 0) <= 1
  const chainOf = new Map<string, string>()
  const made: GraphNode[] = []
  for (let at = 0; at < nodes.length; at++) {
    const chain = [nodes[at]!]
    while (
      isQuiet(chain[0]!) &&
      nodes[at + 1] &&
      isQuiet(nodes[at + 1]!) &&
      out.get(chain.at(-1)!.id)?.join() === nodes[at + 1]!.id
    ) {
      chain.push(nodes[++at]!)
    }
    if (chain.length < 3) made.push(...chain)
    else {
      const id = `…${chain[0]!.id}`
      for (const one of chain) chainOf.set(one.id, id)
      made.push(chainBox(id, chain))
    }
  }
  const renamed = new Map<string, GraphEdge>()
  for (const edge of edges) {
    const from = chainOf.get(edge.from) ?? edge.from
    const to = chainOf.get(edge.to) ?? edge.to
    if (from !== to) renamed.set(`${from}\n${to}`, { ...edge, from, to })
  }
  return { nodes: made, edges: [...renamed.values()], left }
}

const chainBox = (id: string, chain: readonly GraphNode[]): GraphNode => {
  const counts = countStatuses(chain)
  const label = `${chain[0]!.label} … ${chain.at(-1)!.label}`
  return {
    id,
    kind: 'chain',
    label,
    steps: chain.flatMap(({ steps }) => steps),
    status: leadingStatus(counts),
    counts,
    activity: '',
  }
}

/** The boxes around the chosen one, in the order of execution. */
const windowOf = ({ nodes, edges }: RunGraph, chosen: string | undefined, most: number): RunGraph => {
  const at = Math.max(
    0,
    nodes.findIndex(({ id, steps }) => id === chosen || steps.includes(chosen ?? '')),
  )
  const first = Math.max(0, Math.min(nodes.length - most, at - Math.floor(most / 2)))
  const shown = nodes.slice(first, first + most)
  const ids = new Set(shown.map(({ id }) => id))
  const left = nodes.filter(({ id }) => !ids.has(id)).reduce((sum, { steps }) => sum + Math.max(1, steps.length), 0)
  return { nodes: shown, edges: edges.filter(({ from, to }) => ids.has(from) && ids.has(to)), left }
}
