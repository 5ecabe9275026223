import type { LineageNode } from '../../../../src/model/data/lineage.ts'
import type { api } from '../../../data/api.ts'

type Lineage = Awaited<ReturnType<typeof api.getLineage>>
type NodeOf<Type extends LineageNode['type']> = Extract<LineageNode, { type: Type }>

/** A run over an item, with what came of it. */
export interface ItemRun {
  id: string
  task: string
  trajectoryId: string
  status: string
  taskVersion: number | null
  datasetVersion: number | null
  /** Whether the item has other data now than then. */
  isStale: boolean
  scores: NodeOf<'score'>[]
  files: NodeOf<'file'>[]
}

/** The runs of a lineage in its order, each with its scores and files. */
export const runsOverItem = ({ nodes, edges }: Lineage): ItemRun[] => {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  /** What came of a run, and of the runs that it started. */
  const below = (id: string): LineageNode[] =>
    edges
      .filter(({ from }) => from === id)
      .flatMap(({ to, kind }) => (kind === 'started' ? below(to) : (byId.get(to) ?? [])))
  return nodes.flatMap((node) => {
    if (node.type !== 'run') return []
    const input = edges.find(({ to, kind }) => to === node.id && kind === 'input')
    if (!input) return []
    const made = below(node.id)
    return [
      {
        id: node.id,
        task: node.task,
        trajectoryId: node.trajectory_id,
        status: node.status,
        taskVersion: node.task_version,
        datasetVersion: input.dataset_version,
        isStale: input.is_stale === true,
        scores: made.flatMap((one) => (one.type === 'score' ? [one] : [])),
        files: made.flatMap((one) => (one.type === 'file' ? [one] : [])),
      },
    ]
  })
}
