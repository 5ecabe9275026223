/** Most labels of a server process, and most that the steps of a workflow or a collection can ask for. */
export const mostPlacementLabels = 8

/** The labels that a run asks of a server process, as they are stored: sorted, joined by commas; null if there are none. */
export const placementOf = (labels: Iterable<string>): string | null => [...new Set(labels)].sort().join(',') || null

/** The labels of a stored placement. */
export const placementLabels = (placement: string | null | undefined): string[] => placement?.split(',') ?? []

/** Every placement that a process with some labels satisfies, but for the empty one: at most 255. */
export const placementsWithin = (labels: readonly string[]): string[] => {
  let within: string[] = []
  for (const label of [...new Set(labels)].sort())
    within = [...within, label, ...within.map((one) => `${one},${label}`)]
  return within
}
