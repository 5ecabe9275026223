import type { LineageEdge, LineageNode } from '../../model/data/lineage.ts'
import type { LineageItem, LineageProduct, LineageRun } from '../../store/items/lineage.ts'

const itemKey = ({ dataset_id, item_id }: { dataset_id: number; item_id: string }) => `item:${dataset_id}:${item_id}`
const runKey = ({ trajectory_id }: { trajectory_id: string }) => `run:${trajectory_id}`

const plain = { dataset_version: null, item_hash: null, is_stale: null }

/** Collects nodes and edges, each once. */
export const makeGraph = () => {
  const nodes = new Map<string, LineageNode>()
  const edges = new Map<string, LineageEdge>()
  const addEdge = (edge: LineageEdge) => void edges.set(`${edge.from} ${edge.to} ${edge.kind}`, edge)

  return {
    hasRun: (trajectoryId: string) => nodes.has(runKey({ trajectory_id: trajectoryId })),
    get size() {
      return nodes.size
    },

    addRun(run: LineageRun) {
      const [, task = ''] = run.name.split('/')
      const { trajectory_id, status, task_version, definition, batch_id } = run
      nodes.set(runKey(run), {
        ...{ id: runKey(run), type: 'run', label: `${run.name}/${trajectory_id}`, task, trajectory_id, status },
        ...{ task_version, workflow_hash: definition, batch_id },
      })
    },

    addItem(item: LineageItem) {
      const { collection, dataset, item_id, current_hash } = item
      const label = `${collection}/${dataset} ${item_id}`
      nodes.set(itemKey(item), { id: itemKey(item), type: 'item', label, collection, dataset, item_id, current_hash })
    },

    /** The item was the input of the run. */
    addInput(item: LineageItem, run: LineageRun) {
      const edge = { from: itemKey(item), to: runKey(run), kind: 'input' as const }
      const isStale = item.current_hash !== run.hash
      addEdge({ ...edge, dataset_version: run.seq, item_hash: run.hash, is_stale: isStale })
    },

    /** The run started the other one as its child. */
    addStarted(run: LineageRun, child: LineageRun) {
      addEdge({ from: runKey(run), to: runKey(child), kind: 'started', ...plain })
    },

    /** The item was made from the run. */
    addMade(run: { trajectory_id: string }, item: LineageItem) {
      addEdge({ from: runKey(run), to: itemKey(item), kind: 'made_into', ...plain })
    },

    addFile(run: LineageRun, { name: path, value }: LineageProduct) {
      const id = `file:${path}`
      const label = path.slice(path.lastIndexOf('/') + 1)
      nodes.set(id, { id, type: 'file', label, path, sha256: value === '' ? null : value })
      addEdge({ from: runKey(run), to: id, kind: 'produced', ...plain })
    },

    addScore(run: LineageRun, { name: key, value, author }: LineageProduct) {
      const id = `score:${run.trajectory_id}:${key}:${author ?? ''}`
      nodes.set(id, { id, type: 'score', label: `${key}: ${value}`, key, value, author })
      addEdge({ from: runKey(run), to: id, kind: 'scored', ...plain })
    },

    result: () => ({ nodes: [...nodes.values()], edges: [...edges.values()] }),
  }
}
