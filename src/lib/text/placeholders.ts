import { AppError } from '../errors.ts'

/** Maximum placeholders of a template: as many are filled in 20 ms. */
const mostPlaceholders = 100_000

/** Fills a template and returns the pieces, so that callers know the length before they join them. */
export const filledPieces = (template: string, lookUp: (name: string) => string | undefined): string[] => {
  const parts: string[] = []
  let done = 0
  for (;;) {
    const opening = template.indexOf('{{', done)
    const closing = opening < 0 ? -1 : template.indexOf('}}', opening + 2)
    if (closing < 0) break
    // The last opening before a closing counts: `{{ {{name}}` has one placeholder.
    const start = template.lastIndexOf('{{', closing - 2)
    if (parts.length >= 2 * mostPlaceholders) {
      throw new AppError('too_large', `The template has more than ${mostPlaceholders} placeholders`, {
        hint: 'Fill it in parts, or make the text before and pass it as one value.',
      })
    }
    const value = lookUp(template.slice(start + 2, closing).trim())
    parts.push(template.slice(done, start), value ?? template.slice(start, closing + 2))
    done = closing + 2
  }
  parts.push(template.slice(done))
  return parts
}

/**
 * Replaces each `{{name}}` for which `lookUp` returns a text; unknown ones stay. Inserted text is not scanned again.
 * One pass with `indexOf`, so the time is linear in the text.
 */
export const fillPlaceholders = (template: string, lookUp: (name: string) => string | undefined): string =>
  filledPieces(template, lookUp).join('')
