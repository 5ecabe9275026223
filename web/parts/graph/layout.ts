import dagre from '@dagrejs/dagre'
import type { GraphEdge } from './run-graph.ts'

export const boxWidth = 184
export const boxHeight = 40

interface Place {
  x: number
  y: number
}

/** Where the boxes and edges of a graph are drawn, in px from the top left. */
export interface GraphLayout {
  width: number
  height: number
  /** Top left corner of each box. */
  boxes: ReadonlyMap<string, Place>
  /** Points of each edge, in the order of the edges of the graph. */
  edges: readonly Place[][]
}

const margin = 24

/** Boxes by their ids, and what connects them. */
interface Drawn {
  nodes: readonly { id: string }[]
  edges: readonly Pick<GraphEdge, 'from' | 'to' | 'kind'>[]
}

/** Lays a graph out from top to bottom. */
export const layoutOf = ({ nodes, edges }: Drawn): GraphLayout => {
  const graph = new dagre.graphlib.Graph()
  graph.setGraph({ rankdir: 'TB', nodesep: 24, ranksep: 32, marginx: margin, marginy: margin })
  for (const { id } of nodes) graph.setNode(id, { width: boxWidth, height: boxHeight })
  for (const { from, to, kind } of edges) graph.setEdge(from, to, { weight: kind === 'reads' ? 2 : 1 })
  dagre.layout(graph)
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number }
  const boxes = new Map<string, Place>()
  for (const { id } of nodes) {
    const { x, y } = graph.node(id) as Place
    boxes.set(id, { x: x - boxWidth / 2, y: y - boxHeight / 2 })
  }
  return {
    width,
    height,
    boxes,
    edges: edges.map(({ from, to }) => (graph.edge(from, to) as { points: Place[] }).points),
  }
}

/** A smooth line through points, as the `d` of an SVG path: it bends at each point between the first and the last. */
export const linePath = (points: readonly Place[]): string => {
  const [first, ...rest] = points
  const last = rest.at(-1)
  if (!first || !last) return ''
  const bends = rest.slice(0, -1)
  if (bends.length === 0) return `M${first.x} ${first.y}L${last.x} ${last.y}`
  const curves = bends.map((bend, at) => {
    const next = bends[at + 1]
    const to = next ? { x: (bend.x + next.x) / 2, y: (bend.y + next.y) / 2 } : last
    return `Q${bend.x} ${bend.y} ${to.x} ${to.y}`
  })
  return `M${first.x} ${first.y}${curves.join('')}`
}

/** Which way an arrow key goes. */
const ways: Readonly<Record<string, Place>> = {
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
}

/**
 * The nearest box in the direction of an arrow key. What lies aside counts more, above all in another row. Undefined for
 * other keys.
 */
export const nextBox = (boxes: GraphLayout['boxes'], id: string, key: string): string | undefined => {
  const [from, way] = [boxes.get(id), ways[key]]
  if (!from || !way) return undefined
  let best: { id: string; distance: number } | undefined
  for (const [other, place] of boxes) {
    const [x, y] = [place.x - from.x, place.y - from.y]
    const ahead = x * way.x + y * way.y
    if (other === id || ahead <= 0) continue
    const distance = ahead + (way.x === 0 ? 2 : 4) * Math.abs(x * way.y + y * way.x)
    if (!best || distance < best.distance) best = { id: other, distance }
  }
  return best?.id
}
