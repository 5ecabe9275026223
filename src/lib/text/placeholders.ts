/** A template with its placeholders filled in, in pieces: whoever joins them knows before how long the text will be. */
export const filledPieces = (template: string, lookUp: (name: string) => string | undefined): string[] => {
  const parts: string[] = []
  let done = 0
  for (;;) {
    const opening = template.indexOf('{{', done)
    const closing = opening < 0 ? -1 : template.indexOf('}}', opening + 2)
    if (closing < 0) break
    // Of several openings before one closing the last one counts: `{{ {{name}}` holds one placeholder.
    const start = template.lastIndexOf('{{', closing - 2)
    const value = lookUp(template.slice(start + 2, closing).trim())
    parts.push(template.slice(done, start), value ?? template.slice(start, closing + 2))
    done = closing + 2
  }
  parts.push(template.slice(done))
  return parts
}

/**
 * Replaces each `{{name}}` for which `lookUp` gives a text; one that it does not know is left as it is. What is put
 * in is never looked at again. One pass with `indexOf`, so the time is linear in the text, whatever it holds.
 */
export const fillPlaceholders = (template: string, lookUp: (name: string) => string | undefined): string =>
  filledPieces(template, lookUp).join('')
