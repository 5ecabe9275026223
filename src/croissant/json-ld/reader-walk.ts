import type { LinkedGraph, LinkedNode, LinkedValue } from './linked-graph.ts'

/** What stops a reader that follows every reference in place, as the reference implementation does. */
interface WalkProblem {
  kind: 'empty' | 'repeated' | 'deep' | 'large'
  node: LinkedNode
  property: string | undefined
  pointer: string
}

const maxDepth = 300
const maxVisits = 100_000

interface Walk {
  graph: LinkedGraph
  /** Properties whose values are always lists, by type of their node. */
  isListed: (property: string, type: string | undefined) => boolean
  problems: WalkProblem[]
  states: Map<string, Map<string, 'walked' | 'walking'>>
  visits: number
}

/**
 * Follows all references from a node the way the reference implementation reads a document: it replaces each reference
 * by the node itself, once for each reference to it. Returns what would stop it: a node without content, and a list of
 * texts on a node that is read a second time.
 */
export const walkReferences = (
  graph: LinkedGraph,
  root: LinkedNode,
  isListed: Walk['isListed'],
): readonly WalkProblem[] => {
  const walk: Walk = { graph, isListed, problems: [], states: new Map(), visits: 0 }
  visit(walk, root, root.pointer, 0)
  return walk.problems
}

const visit = (walk: Walk, node: LinkedNode, pointer: string, depth: number): void => {
  if (walk.problems.some(({ kind }) => kind === 'deep' || kind === 'large')) return
  const stop = depth > maxDepth ? 'deep' : ++walk.visits > maxVisits ? 'large' : undefined
  if (stop) {
    walk.problems.push({ kind: stop, node, property: undefined, pointer })
    return
  }
  const states = walk.states.get(node.id) ?? new Map<string, 'walked' | 'walking'>()
  walk.states.set(node.id, states)
  const present = [...node.properties.keys()].filter((property) => states.get(property) !== 'walking').sort()
  if (present.length === 0 && node.types.length === 0) {
    walk.problems.push({ kind: 'empty', node, property: undefined, pointer })
    return
  }
  const before = new Map(present.map((property) => [property, states.get(property)]))
  for (const property of present) walkProperty(walk, node, property, before.get(property) === 'walked', depth)
}

const walkProperty = (walk: Walk, node: LinkedNode, property: string, isSecond: boolean, depth: number): void => {
  const values = node.properties.get(property) ?? []
  if (isSecond && !isListAfterwards(walk, node, property, values)) return
  const states = walk.states.get(node.id)
  states?.set(property, 'walking')
  const broken = isSecond ? values.find(stopsSecondWalk) : undefined
  if (broken) walk.problems.push({ kind: 'repeated', node, property, pointer: broken.pointer })
  for (const value of values) {
    const target = value.kind === 'node' ? walk.graph.nodes.get(value.id) : undefined
    if (target) visit(walk, target, value.pointer, depth + 1)
  }
  states?.set(property, 'walked')
}

/** Whether the values of a property are still a list after the first walk: a single value is taken out of it. */
const isListAfterwards = (walk: Walk, node: LinkedNode, property: string, values: readonly LinkedValue[]): boolean => {
  const [first] = values
  if (values.length !== 1 || walk.isListed(property, node.types[0])) return true
  return first?.kind === 'json' && Array.isArray(first.value)
}

/** Whether a value in a list is none that a second walk can go into. */
const stopsSecondWalk = (value: LinkedValue): boolean => {
  if (value.kind === 'json') return Array.isArray(value.value) && value.value.some(stopsInJson)
  return value.kind === 'literal'
}

const stopsInJson = (item: unknown): boolean => {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return true
  return Object.values(item).some((one) => Array.isArray(one) && one.some(stopsInJson))
}
