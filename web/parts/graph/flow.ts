/** A step in the order of its workflow. */
interface OrderedStep {
  id: string
  /** The steps of each arm that a branch chooses from; empty for other steps. */
  arms: readonly (readonly string[])[]
  /** Whether the branch may choose none of them. */
  mayPass: boolean
}

interface FlowEdge {
  from: string
  to: string
}

/** An arm of a branch whose steps are being drawn. */
interface Arm {
  branch: string
  hasBegun: boolean
  /** The other arms of the branch, and itself. */
  all: Arm[]
  mayPass: boolean
}

/** A step from which the next one is reached, with the arms in which it stands, the innermost last. */
interface End {
  id: string
  within: readonly Arm[]
}

/**
 * What comes after what: a branch leads to the first step of each arm, the steps of an arm follow one another, and the arms
 * meet again in the step after them. `ends` of each edge is the number of steps from which its target is reached.
 */
export const flowEdges = (steps: readonly OrderedStep[]): (FlowEdge & { ends: number })[] => {
  const edges: (FlowEdge & { ends: number })[] = []
  const armOf = new Map<string, Arm>()
  const withinOf = new Map<string, readonly Arm[]>()
  let ends: End[] = []
  for (const { id, arms, mayPass } of steps) {
    const arm = armOf.get(id)
    const within = arm ? [...(withinOf.get(arm.branch) ?? []), arm] : []
    if (arm && !arm.hasBegun) {
      arm.hasBegun = true
      edges.push({ from: arm.branch, to: id, ends: 1 })
      if (!arm.mayPass && arm.all.every(({ hasBegun }) => hasBegun)) ends = ends.filter((end) => end.id !== arm.branch)
    } else {
      const before = arm ? ends.filter((end) => end.within.includes(arm)) : ends
      for (const { id: from } of before) edges.push({ from, to: id, ends: before.length })
      ends = ends.filter((end) => !before.includes(end))
    }
    ends.push({ id, within })
    withinOf.set(id, within)
    const all: Arm[] = []
    for (const names of arms) {
      const one = { branch: id, hasBegun: false, all, mayPass }
      all.push(one)
      for (const name of names) armOf.set(name, one)
    }
  }
  return edges
}
