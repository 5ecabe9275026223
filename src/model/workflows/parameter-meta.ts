/**
 * Deprecated names of a parameter, accepted with a warning if the current one is absent: `.meta({ aliases: [...] })`.
 */
export interface ParameterMeta {
  aliases?: string[]
  /** Value if a path has no value or null. */
  missing?: unknown
  /** How a form asks for it, if that does not follow from its type: a text of several lines, code, a list of texts, JSON. */
  input?: 'text' | 'code' | 'list' | 'json'
  /** The language of the code, such as `jsonata`, or the parameter that names it. */
  language?: string
}
