import { nearest } from './nearest.ts'

/** The warning about a name that is not known; on the wire it is a `Warning` of `model/warning.ts`. */
export interface UnknownName {
  field: string
  message: string
  did_you_mean: string | null
}

const shown = (name: string): string => (name.length > 80 ? `${name.slice(0, 79)}…` : name)

/**
 * Warns about a name that the server does not know and therefore ignored, with the known name that is nearest.
 * `kind` says what the name stands for, such as `query parameter`; `field` is its path, by default the name alone.
 *
 * @example unknownName('query parameter', 'limt', ['limit', 'page']).message
 * // 'Unknown query parameter "limt" was ignored. Did you mean "limit"?'
 */
export const unknownName = (kind: string, name: string, known: Iterable<string>, field = name): UnknownName => {
  const meant = nearest(name, known)
  const question = meant === undefined ? '' : `. Did you mean "${meant}"?`
  return {
    field: shown(field),
    message: `Unknown ${kind} "${shown(name)}" was ignored${question}`,
    did_you_mean: meant ?? null,
  }
}
