/** A step in the order of its workflow. */
interface OrderedStep {
  id: string
  /** Steps that a branch chooses from; empty for other steps. */
  targets: readonly string[]
  /** Whether the branch may choose none of them. */
  mayPass: boolean
}

interface FlowEdge {
  from: string
  to: string
}

/**
 * What comes after what: a branch leads to each of its targets, and these meet again in the step after them. `ends` of each
 * edge is the number of steps from which its target is reached.
 */
export const flowEdges = (steps: readonly OrderedStep[]): (FlowEdge & { ends: number })[] => {
  const edges: (FlowEdge & { ends: number })[] = []
  const branchOf = new Map<string, OrderedStep>()
  const waiting = new Map<string, Set<string>>()
  let ends: string[] = []
  for (const step of steps) {
    const branch = branchOf.get(step.id)
    const targets = branch && waiting.get(branch.id)
    if (branch && targets?.delete(step.id)) {
      edges.push({ from: branch.id, to: step.id, ends: 1 })
      if (targets.size === 0 && !branch.mayPass) ends = ends.filter((id) => id !== branch.id)
      ends.push(step.id)
    } else {
      for (const from of ends) edges.push({ from, to: step.id, ends: ends.length })
      ends = [step.id]
    }
    if (step.targets.length > 0) waiting.set(step.id, new Set(step.targets))
    for (const target of step.targets) branchOf.set(target, step)
  }
  return edges
}
