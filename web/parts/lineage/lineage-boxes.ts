import type { LineageNode } from '../../../src/model/data/lineage.ts'
import type { api } from '../../data/api.ts'
import type { GraphEdge } from '../graph/run-graph.ts'

export type Lineage = Awaited<ReturnType<typeof api.getLineage>>

/** A box of the graph: a node of the lineage, a version that an edge names, or several nodes that stand alike. */
export interface LineageBox {
  id: string
  type: LineageNode['type'] | 'dataset_version' | 'task_version'
  label: string
  /** Second line. */
  detail: string
  status: string | undefined
  /** Whether what it was made from has changed since. */
  isStale: boolean
  /** Undefined for versions and for several nodes. */
  node: LineageNode | undefined
  /** How many nodes it stands for. */
  count: number
}

export interface LineageDrawing {
  boxes: LineageBox[]
  edges: GraphEdge[]
}

const words: Record<LineageBox['type'], [one: string, many: string]> = {
  dataset: ['dataset', 'datasets'],
  dataset_version: ['dataset', 'datasets'],
  item: ['item', 'items'],
  run: ['run', 'runs'],
  task: ['task', 'tasks'],
  task_version: ['task', 'tasks'],
  batch: ['batch', 'batches'],
  file: ['file', 'files'],
  model: ['model', 'models'],
  score: ['score', 'scores'],
}

/** `412 items`. */
export const manyText = (type: LineageBox['type'], count: number): string =>
  `${count.toLocaleString('en')} ${words[type][count === 1 ? 0 : 1]}`

const plain = { status: undefined, isStale: false, node: undefined, count: 1 }

const boxOf = (node: LineageNode, isStale: boolean): LineageBox => {
  const shared = { ...plain, id: node.id, type: node.type, node, isStale }
  const stale = isStale ? ' · stale' : ''
  switch (node.type) {
    case 'run':
      return { ...shared, label: node.trajectory_id, detail: `run of ${node.task}${stale}`, status: node.status }
    case 'batch':
      return { ...shared, label: node.label, detail: `batch ${node.batch_id}${stale}`, status: node.status }
    case 'item':
      return { ...shared, label: node.item_id, detail: node.current_hash === null ? 'item, removed' : 'item' }
    case 'dataset':
    case 'model':
      return { ...shared, label: node.label, detail: `${words[node.type][0]} · now v${node.version}` }
    default:
      return { ...shared, label: node.label, detail: words[node.type][0] }
  }
}

const byId = <Thing extends { id: string }>(things: readonly Thing[]): Map<string, Thing> =>
  new Map(things.map((thing) => [thing.id, thing]))

/** The boxes and lines of a lineage, with the versions of datasets and tasks that went into its runs. */
export const drawLineage = ({ nodes, edges }: Lineage): LineageDrawing => {
  const known = byId(nodes)
  const stale = new Set(edges.filter(({ is_stale: isStale }) => isStale === true).map(({ to }) => to))
  const boxes = byId(nodes.map((node) => boxOf(node, stale.has(node.id))))
  const lines = new Map<string, GraphEdge>()
  const link = (from: string, to: string, kind: GraphEdge['kind'] = 'reads') =>
    void lines.set(`${from}\n${to}`, { from, to, kind })
  for (const node of nodes) {
    if (node.type !== 'run' || node.task_version === null) continue
    const id = `task:${node.task}@${node.task_version}`
    boxes.set(id, { ...plain, id, type: 'task_version', label: `${node.task} v${node.task_version}`, detail: 'task' })
    link(id, node.id)
  }
  for (const { from, to, kind, dataset_version: version } of edges) {
    const source = known.get(from)
    if (kind === 'input' && source?.type === 'item' && version !== null) {
      const id = `dataset:${source.collection}/${source.dataset}@${version}`
      boxes.set(id, {
        ...plain,
        id,
        type: 'dataset_version',
        label: `${source.dataset} v${version}`,
        detail: 'dataset',
      })
      link(id, from)
    }
    link(from, to, kind === 'declared' ? 'after' : 'reads')
  }
  return { boxes: [...boxes.values()], edges: [...lines.values()] }
}
