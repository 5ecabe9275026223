/** Part of a text, by offsets. */
export interface TextSpan {
  from: number
  to: number
}

/** A place in a text; both numbers are 1-based. */
export interface LineColumn {
  line: number
  column: number
}

/**
 * The characters that a finding about a place underlines: a `{{variable}}` that begins there, otherwise the rest of the
 * line. At the end of a line it is the whole line. A place beyond the text gives its end.
 */
export const spanAt = (text: string, { line, column }: LineColumn): TextSpan => {
  let start = 0
  for (let passed = 1; passed < line; passed++) {
    const end = text.indexOf('\n', start)
    if (end < 0) break
    start = end + 1
  }
  const next = text.indexOf('\n', start)
  const end = next < 0 ? text.length : next
  const at = start + column - 1
  const from = at >= end ? start : Math.max(start, at)
  const rest = text.slice(from, end)
  const variable = /^\{\{.*?\}\}/.exec(rest)?.[0]
  return { from, to: from + (variable ?? rest.trimEnd()).length }
}
