import { leadingStatus } from '../graph/run-graph.ts'
import { type LineageBox, type LineageDrawing, manyText } from './lineage-boxes.ts'

/** More boxes that stand alike are one box. */
const mostAlike = 6
/** How many of them a click shows. */
export const moreAlike = 8
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
