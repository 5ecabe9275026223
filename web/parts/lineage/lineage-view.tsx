import { useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import type { LineageNode } from '../../../src/model/data/lineage.ts'
import { api } from '../../data/api.ts'
import { IconButton } from '../../ui/button.tsx'
import { Empty } from '../../ui/empty.tsx'
import { Icon, type IconName } from '../../ui/icon.tsx'
import { StatusMark, statusWord } from '../../ui/status.tsx'
import { GraphCanvas } from '../graph/canvas.tsx'
import { layoutOf } from '../graph/layout.ts'
import { type GraphEdge, leadingStatus } from '../graph/run-graph.ts'
import { fileAddress } from '../media/media-kind.ts'
import { datasetHref, lineageHref, PageLink, runHref } from '../page-link.tsx'
import { Problem } from '../problem.tsx'

export type Lineage = Awaited<ReturnType<typeof api.getLineage>>

/** A box of the graph: a node of the lineage, a version that an edge names, or several nodes that stand alike. */
interface LineageBox {
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

interface LineageDrawing {
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
const manyText = (type: LineageBox['type'], count: number): string =>
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

/** More boxes that stand alike are one box. */
const mostAlike = 6
/** How many of them a click shows. */
const moreAlike = 8
/** More boxes are neither readable nor fast to lay out. */
const mostBoxes = 300

interface FoldedDrawing extends LineageDrawing {
  /** Boxes that are left out even so. */
  left: number
}

const neighbours = (edges: LineageDrawing['edges'], at: 'from' | 'to'): Map<string, string[]> => {
  const found = new Map<string, string[]>()
  const other = at === 'to' ? 'from' : 'to'
  for (const edge of edges) found.set(edge[at], [...(found.get(edge[at]) ?? []), edge[other]])
  return found
}

/** Boxes with what they come from before them; those of a circle follow in their order. */
const sourcesFirst = ({ boxes, edges }: LineageDrawing): LineageBox[] => {
  const sources = neighbours(edges, 'to')
  const targets = neighbours(edges, 'from')
  const open = new Map(boxes.map(({ id }) => [id, sources.get(id)?.length ?? 0]))
  const boxById = new Map(boxes.map((box) => [box.id, box]))
  const sorted = new Set<LineageBox>(boxes.filter(({ id }) => open.get(id) === 0))
  for (const { id } of sorted) {
    for (const to of targets.get(id) ?? []) {
      open.set(to, (open.get(to) ?? 0) - 1)
      const box = boxById.get(to)
      if (box && open.get(to) === 0) sorted.add(box)
    }
  }
  return [...new Set([...sorted, ...boxes])]
}

/** One box for many that stand alike. */
const foldedBox = (id: string, folded: readonly LineageBox[]): LineageBox => {
  const { type } = folded[0]!
  const counts: Record<string, number> = {}
  for (const { status } of folded) if (status !== undefined) counts[status] = (counts[status] ?? 0) + 1
  const stale = folded.filter(({ isStale }) => isStale).length
  const states = Object.entries(counts).map(([status, count]) => `${count} ${status}`)
  return {
    ...{ id, type, label: manyText(type, folded.length), node: undefined, count: folded.length },
    detail: [...(states.length > 1 ? states : []), ...(stale > 0 ? [`${stale} stale`] : [])].join(' · '),
    status: states.length > 0 ? leadingStatus(counts) : undefined,
    isStale: stale > 0,
  }
}

/**
 * Joins boxes of one type that come from the same boxes, or without sources lead to the same, where there are many.
 * `opened` says how many of a folded box are shown by themselves.
 */
export const foldLineage = (
  drawing: LineageDrawing,
  opened: ReadonlyMap<string, number>,
  most = mostBoxes,
): FoldedDrawing => {
  const sources = neighbours(drawing.edges, 'to')
  const targets = neighbours(drawing.edges, 'from')
  const groupOf = new Map<string, string>()
  const alike = new Map<string, LineageBox[]>()
  const placeOf = (id: string): string => {
    const group = groupOf.get(id)
    return group !== undefined && (alike.get(group)?.length ?? 0) > mostAlike ? group : id
  }
  const boxes = sourcesFirst(drawing)
  // From the sources down: files of runs that are folded come from one box, and are folded, too.
  for (const box of boxes) {
    const from = sources.get(box.id)
    const near = from ? ['from', ...from.map(placeOf)] : ['to', ...(targets.get(box.id) ?? [])]
    const group = `${box.type} ${[...new Set(near)].sort().join(' ')}`
    groupOf.set(box.id, group)
    alike.set(group, [...(alike.get(group) ?? []), box])
  }
  return join(drawing, { boxes, groupOf, alike, opened, most })
}

interface Groups {
  boxes: readonly LineageBox[]
  groupOf: ReadonlyMap<string, string>
  alike: ReadonlyMap<string, LineageBox[]>
  opened: ReadonlyMap<string, number>
  most: number
}

const join = ({ edges }: LineageDrawing, { boxes, groupOf, alike, opened, most }: Groups): FoldedDrawing => {
  const shownAs = new Map<string, string>()
  const made: LineageBox[] = []
  for (const box of boxes) {
    const group = groupOf.get(box.id) ?? ''
    const all = alike.get(group) ?? []
    const shown = all.length <= mostAlike ? all.length : Math.min(opened.get(group) ?? 0, all.length)
    if (all.indexOf(box) < shown) {
      shownAs.set(box.id, box.id)
      made.push(box)
      continue
    }
    shownAs.set(box.id, group)
    if (all.indexOf(box) === shown) made.push(foldedBox(group, all.slice(shown)))
  }
  const kept = made.slice(0, most)
  const ids = new Set(kept.map(({ id }) => id))
  const lines = new Map<string, LineageDrawing['edges'][number]>()
  for (const { from, to, kind } of edges) {
    const [source = '', target = ''] = [shownAs.get(from), shownAs.get(to)]
    if (source === target || !ids.has(source) || !ids.has(target)) continue
    if (!lines.has(`${source}\n${target}`)) lines.set(`${source}\n${target}`, { from: source, to: target, kind })
  }
  const left = made.slice(most).reduce((sum, { count }) => sum + count, 0)
  return { boxes: kept, edges: [...lines.values()], left }
}

interface BoxFactsProps {
  collection: string
  box: LineageBox
  edges: Lineage['edges']
  onClose: () => void
}

/** What is known of the chosen box, and where it leads. */
const BoxFacts = ({ collection, box, edges, onClose }: BoxFactsProps) => {
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

/** What a lineage begins with: one of these, or an item of a dataset. */
export interface LineageOf {
  file?: string
  trajectory_id?: string
  dataset?: string
  item?: string
  model?: string
}

/** What something came from and what came of it, as the server wrote it down, drawn from the top down. */
const LineageView = ({ collection, of }: { collection: string; of: LineageOf }) => {
  const { data, error, refetch } = useQuery({
    queryKey: ['lineage', collection, of],
    queryFn: ({ signal }) => api.getLineage({ params: { collection }, query: of, signal }),
  })
  if (error) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <p className="p-4 text-muted">Loading…</p>
  if (data.edges.length === 0) {
    return (
      <Empty title="Nothing is known of it yet">
        The server draws this from what runs do: a batch over a dataset, a step that registers a dataset or model,
        files, and items that were made from runs.
      </Empty>
    )
  }
  return <Drawn collection={collection} lineage={data} />
}

const Drawn = ({ collection, lineage }: { collection: string; lineage: Lineage }) => {
  const [opened, setOpened] = useState<ReadonlyMap<string, number>>(new Map())
  const [chosen, choose] = useState<string>()
  const drawing = useMemo(() => drawLineage(lineage), [lineage])
  const { boxes, edges, left } = useMemo(() => foldLineage(drawing, opened), [drawing, opened])
  const layout = useMemo(() => layoutOf({ nodes: boxes, edges }), [boxes, edges])
  const box = boxes.find(({ id }) => id === chosen)
  const unfold = ({ id, count }: LineageBox) => {
    if (count > 1) setOpened((was) => new Map(was).set(id, (was.get(id) ?? 0) + moreAlike))
    choose(id)
  }
  const notes = [
    left > 0 ? `${left.toLocaleString('en')} more are not drawn: begin at one of the boxes.` : '',
    lineage.is_complete ? '' : 'There is more than these, the newest.',
  ].filter((note) => note !== '')
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <GraphCanvas
        nodes={boxes}
        edges={edges}
        layout={layout}
        near={new Set(chosen === undefined ? [] : [chosen])}
        boxOf={(one) => ({
          isChosen: one.id === chosen,
          title: one.count > 1 ? `${one.label} ${one.detail}: show ${Math.min(moreAlike, one.count)}` : one.label,
          isDashed: one.count > 1,
          onChoose: () => unfold(one),
        })}
        follow={`${chosen} ${opened.get(chosen ?? '') ?? 0}`}
        note={notes.length > 0 && notes.join(' ')}
      >
        {(one) => <BoxText box={one} />}
      </GraphCanvas>
      {box && <BoxFacts collection={collection} box={box} edges={lineage.edges} onClose={() => choose(undefined)} />}
    </div>
  )
}

const icons: Record<LineageBox['type'], IconName> = {
  ...{ dataset: 'rows', dataset_version: 'rows', item: 'label', run: 'play', batch: 'play', task: 'branch' },
  ...{ task_version: 'branch', file: 'download', model: 'bookmark', score: 'tick' },
}

const BoxText = ({ box: { type, label, detail, status, isStale } }: { box: LineageBox }) => (
  <>
    {status === undefined ? (
      <Icon name={icons[type]} className="text-muted" />
    ) : (
      <StatusMark of={status} label={statusWord(status)} />
    )}
    <span className="min-w-0 flex-1">
      <span className="block truncate leading-4">{label}</span>
      <span className={`block truncate text-11 leading-3.5 ${isStale ? 'font-medium text-text' : 'text-muted'}`}>
        {detail}
      </span>
    </span>
  </>
)

export default LineageView
