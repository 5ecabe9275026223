import { memberText } from '../../../../src/lib/json/json-text.ts'

const members = [
  ['name', 'the name'],
  ['description', 'the description'],
  ['version', 'the version text'],
  ['is_private', 'who may read it'],
  ['has_file_uploads', 'whether it takes files'],
  ['croissant_metadata', 'the metadata'],
] as const

/** What of a task beside its workflow differs between two versions, in words; from nothing, nothing differs. */
export const changedMembers = (before: string, after: string): string[] =>
  before === '{}'
    ? []
    : members.filter(([name]) => memberText(before, name) !== memberText(after, name)).map(([, words]) => words)
