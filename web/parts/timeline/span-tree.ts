import type { RunStep } from '../../data/run.ts'

/** A step of a trace, at its place below the span that it is part of. */
interface SpanNode {
  step: RunStep
  /** 0 for a root. */
  depth: number
  /** Place of its parent in the tree; -1 for a root. */
  parent: number
  below: StepsBelow
}

/** What is below a span, however deep. */
export interface StepsBelow {
  steps: number
  failed: number
  /** Tokens and cost of the model calls; undefined without any. Cost is null when one is unknown. */
  used: { tokens: number; costUsd: number | null } | undefined
}

type Used = StepsBelow['used']

/** What a step used itself. */
export const usedBy = ({ usage, cost_usd: costUsd = null }: Pick<RunStep, 'usage' | 'cost_usd'>): Used =>
  usage && { tokens: usage.total_tokens, costUsd }

const sumOf = (one: Used, other: Used): Used => {
  if (!one || !other) return one ?? other
  const costUsd = one.costUsd === null || other.costUsd === null ? null : one.costUsd + other.costUsd
  return { tokens: one.tokens + other.tokens, costUsd }
}

const nothing: StepsBelow = { steps: 0, failed: 0, used: undefined }

/** Whether a run records a trace of another program. */
export const isTrace = (steps: readonly RunStep[]): boolean => steps.some(({ span }) => span !== undefined)

/**
 * Orders the steps of a trace as a tree: each one before its children, siblings by their beginning. A step whose parent is
 * missing is a root, and so is the first step of a cycle of parents.
 */
export const spanTree = (steps: readonly RunStep[]): SpanNode[] => {
  const inOrder = steps
    .map((step) => ({ step, begun: Date.parse(step.created) }))
    .sort((one, other) => one.begun - other.begun)
    .map(({ step }) => step)
  const known = new Set(inOrder.flatMap(({ span }) => span?.id ?? []))
  const children = new Map<string, RunStep[]>()
  const roots: RunStep[] = []
  for (const step of inOrder) {
    const parent = step.span?.parent
    if (!parent || !known.has(parent)) roots.push(step)
    else if (children.get(parent)?.push(step) === undefined) children.set(parent, [step])
  }
  const tree: SpanNode[] = []
  const placed = new Set<RunStep>()
  const place = (root: RunStep): void => {
    const open = [{ step: root, depth: 0, parent: -1 }]
    for (let next = open.pop(); next; next = open.pop()) {
      if (placed.has(next.step)) continue
      placed.add(next.step)
      const at = tree.push({ ...next, below: nothing }) - 1
      const parts = children.get(next.step.span?.id ?? '') ?? []
      for (const step of parts.toReversed()) open.push({ step, depth: next.depth + 1, parent: at })
    }
  }
  for (const root of roots) place(root)
  // What is left hangs on a cycle.
  for (const step of inOrder) if (!placed.has(step)) place(step)
  for (const { step, below, parent } of tree.toReversed()) {
    const above = tree[parent]
    if (!above) continue
    above.below = {
      steps: above.below.steps + below.steps + 1,
      failed: above.below.failed + below.failed + (step.status === 'failed' ? 1 : 0),
      used: sumOf(above.below.used, sumOf(usedBy(step), below.used)),
    }
  }
  return tree
}

/** The keys of the steps above a step, up to its root. */
export const stepsAbove = (tree: readonly SpanNode[], key: string): string[] => {
  const above: string[] = []
  let node = tree.find(({ step }) => step.key === key)
  while (node) {
    node = tree[node.parent]
    if (node) above.push(node.step.key)
  }
  return above
}
