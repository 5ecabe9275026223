import { authorId, type CroissantCheck, type Subject } from './check.ts'
import type { Reference } from './model.ts'

/** Reads the ids to which the values of a property refer. A value without an id gets one that no node has. */
export const referencesUnder = (check: CroissantCheck, subject: Subject, property: string): Reference[] =>
  (subject.node.properties.get(property) ?? []).map((value) => {
    const { pointer } = value
    if (value.kind === 'node') return { id: authorId(check, value.id) ?? value.id, pointer }
    if (value.kind === 'literal' && typeof value.value === 'string') return { id: value.value, pointer }
    return { id: `_: at ${pointer}`, pointer }
  })
