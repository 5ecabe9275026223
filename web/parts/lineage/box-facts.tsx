import type { LineageNode } from '../../../src/model/data/lineage.ts'
import { IconButton } from '../../ui/button.tsx'
import { fileAddress } from '../media/media-kind.ts'
import { datasetHref, lineageHref, PageLink, runHref } from '../page-link.tsx'
import type { Lineage, LineageBox } from './lineage-boxes.ts'

interface BoxFactsProps {
  collection: string
  box: LineageBox
  edges: Lineage['edges']
  onClose: () => void
}

/** What is known of the chosen box, and where it leads. */
export const BoxFacts = ({ collection, box, edges, onClose }: BoxFactsProps) => {
  const { node, label, detail, isStale } = box
  const registered = edges.filter(({ to, kind, dataset_version: version }) => {
    return to === node?.id && kind === 'produced' && version !== null
  })
  return (
    <section
      aria-label="The chosen box"
      className="flex shrink-0 flex-wrap items-baseline gap-x-4 gap-y-1 border-line border-t px-4 py-2"
    >
      <h2 className="min-w-0 truncate font-medium">{label}</h2>
      <span className="text-12 text-muted">{detail}</span>
      {node && <NodeFacts node={node} />}
      {registered.length > 0 && (
        <span className="text-12 text-muted">
          registered as {[...new Set(registered.map(({ dataset_version: version }) => `v${version}`))].join(', ')}
        </span>
      )}
      {isStale && node && <span className="text-12">What it was made from has changed since.</span>}
      <span className="flex-1" />
      {node && <NodeLinks collection={collection} node={node} />}
      <IconButton icon="cross" label="Close" onClick={onClose} />
    </section>
  )
}

const NodeFacts = ({ node }: { node: LineageNode }) => {
  const text =
    node.type === 'run'
      ? [node.task_version === null ? '' : `task v${node.task_version}`, node.batch_id ? `batch ${node.batch_id}` : '']
      : node.type === 'score'
        ? [node.author ? `by ${node.author}` : '']
        : node.type === 'batch'
          ? [`${node.total} items`, node.split ? `split ${node.split}` : '']
          : node.type === 'item'
            ? [`${node.collection}/${node.dataset}`]
            : []
  return <span className="text-12 text-muted">{text.filter((one) => one !== '').join(' · ')}</span>
}

/** The page of a node, and the lineage that begins at it. */
const placesOf = (collection: string, node: LineageNode): { page?: string; lineage?: string } => {
  switch (node.type) {
    case 'run':
      return {
        page: runHref({ collection, task: node.task, trajectory_id: node.trajectory_id }),
        lineage: lineageHref(collection, { trajectory_id: node.trajectory_id }),
      }
    case 'item':
      return {
        page: `${datasetHref(node.collection, node.dataset)}?item=${encodeURIComponent(node.item_id)}`,
        lineage: lineageHref(node.collection, { dataset: node.dataset, item: node.item_id }),
      }
    case 'dataset':
      return {
        page: datasetHref(node.collection, node.dataset),
        lineage: lineageHref(node.collection, { dataset: node.dataset }),
      }
    case 'model':
      return { lineage: lineageHref(node.collection, { model: node.model }) }
    case 'file':
      return { lineage: lineageHref(collection, { file: node.path }) }
    case 'task':
      return { page: `/${[node.collection, node.task].map(encodeURIComponent).join('/')}` }
    case 'batch':
      return {
        page: `/${[collection, node.task].map(encodeURIComponent).join('/')}?tab=batches&batch=${encodeURIComponent(node.batch_id)}`,
      }
    default:
      return {}
  }
}

const NodeLinks = ({ collection, node }: { collection: string; node: LineageNode }) => {
  const { page, lineage } = placesOf(collection, node)
  return (
    <span className="flex flex-wrap gap-x-4">
      {page && (
        <PageLink href={page} className="text-accent">
          Open
        </PageLink>
      )}
      {node.type === 'file' && (
        <a href={fileAddress(node.path, false)} download className="text-accent">
          Download
        </a>
      )}
      {lineage && (
        <PageLink href={lineage} className="text-accent">
          Lineage from here
        </PageLink>
      )}
    </span>
  )
}
