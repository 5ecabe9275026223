import type { LineageEdge, LineageNode } from '../../model/data/lineage.ts'
import type { EntityNode } from '../../store/entities/relationships.ts'
import type { RunProduct } from '../../store/entities/run-products.ts'
import type { LineageBatch, LineageItem, LineageProduct, LineageRun } from '../../store/items/lineage.ts'

const itemKey = ({ dataset_id, item_id }: { dataset_id: number; item_id: string }) => `item:${dataset_id}:${item_id}`
const entityKey = (type: 'task' | 'entity', id: number) => `${type}:${id}`
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

    /** A dataset, model or task with its newest version, if it has versions. */
    addEntity({ id: key, type, name, collection_name: collection }: EntityNode, version: number) {
      const id = entityKey(type === 'task' ? 'task' : 'entity', key)
      const shared = { id, label: `${collection}/${name}`, collection }
      if (type === 'dataset') nodes.set(id, { ...shared, type, dataset: name, version })
      else if (type === 'task') nodes.set(id, { ...shared, type, task: name })
      else nodes.set(id, { ...shared, type: 'model', model: name, version })
    },

    hasEntity: (type: 'task' | 'entity', id: number) => nodes.has(entityKey(type, id)),

    /** The run registered a version of the dataset or model. */
    addProduct(run: LineageRun, product: RunProduct) {
      const { entity_id: id, kind: type, collection: collection_name } = product
      this.addEntity({ ...product, id, type, collection_name }, product.version)
      const to = entityKey('entity', id)
      addEdge({ ...plain, from: runKey(run), to, kind: 'produced', dataset_version: product.seq })
    },

    /** The batch ran a task over a version of the dataset. */
    addBatch(dataset: { id: number; version: number }, batch: LineageBatch) {
      const { batch_id, task, status, split, total, seq } = batch
      const id = `batch:${batch_id}`
      nodes.set(id, { id, type: 'batch', label: `${task} ×${total}`, task, batch_id, status, split, total })
      const isStale = seq !== dataset.version
      const from = entityKey('entity', dataset.id)
      addEdge({ ...plain, from, to: id, kind: 'input', dataset_version: seq, is_stale: isStale })
    },

    /** The source was declared to be what the target was made from. */
    addDeclared(source: { type: 'task' | 'entity'; id: number }, target: { type: 'task' | 'entity'; id: number }) {
      const [from, to] = [entityKey(source.type, source.id), entityKey(target.type, target.id)]
      addEdge({ ...plain, from, to, kind: 'declared' })
    },

    addScore(run: LineageRun, { name: key, value, author }: LineageProduct) {
      const id = `score:${run.trajectory_id}:${key}:${author ?? ''}`
      nodes.set(id, { id, type: 'score', label: `${key}: ${value}`, key, value, author })
      addEdge({ from: runKey(run), to: id, kind: 'scored', ...plain })
    },

    result: () => ({ nodes: [...nodes.values()], edges: [...edges.values()] }),
  }
}
