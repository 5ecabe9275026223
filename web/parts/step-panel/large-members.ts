import type { StepSection } from '../../data/step.ts'

/** Which members of a part of a step are references; `whole`: the part itself is one. */
export const largeMembers = (pointers: readonly string[], section: StepSection): string[] | 'whole' => {
  const members: string[] = []
  for (const pointer of pointers) {
    if (pointer === `/${section}`) return 'whole'
    const prefix = `/${section}/`
    if (pointer.startsWith(prefix)) {
      members.push(pointer.slice(prefix.length).replaceAll('~1', '/').replaceAll('~0', '~'))
    }
  }
  return members
}
