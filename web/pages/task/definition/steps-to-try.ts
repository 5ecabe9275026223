import type { CheckedStep } from '../../../../src/model/workflows/workflow-check.ts'

/** Steps that are executed when one is tried: what it depends on, down to the pinned ones. The last one is the step itself. */
export const stepsToTry = (
  steps: readonly Pick<CheckedStep, 'name' | 'depends_on' | 'decided_by'>[],
  wanted: string,
  pinned: ReadonlySet<string>,
): string[] => {
  const byName = new Map(steps.map((step) => [step.name, step]))
  const needed = new Set<string>()
  const open = [wanted]
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const step = byName.get(name)
    if (!step || needed.has(name)) continue
    needed.add(name)
    if (!pinned.has(name)) open.push(...step.depends_on, ...(name === wanted ? [] : step.decided_by))
  }
  return steps.map(({ name }) => name).filter((name) => needed.has(name))
}
