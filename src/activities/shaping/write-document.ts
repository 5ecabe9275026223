import { micromark } from 'micromark'
import { gfm, gfmHtml } from 'micromark-extension-gfm'
import { isObject } from '../../lib/json/json-object.ts'
import { csvRow } from '../../lib/text/csv.ts'

const mostColumns = 1_000

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

/**
 * Renders Markdown with tables and lists of GitHub. HTML in it is shown as text, and links lead to http, https and mailto
 * only. With a title, the result is a whole page.
 */
export const markdownToHtml = (markdown: string, title: string | undefined): string => {
  const html = micromark(markdown, { extensions: [gfm()], htmlExtensions: [gfmHtml()] })
  if (title === undefined) return html
  return `<!doctype html>\n<html>\n<head><meta charset="utf-8"><title>${escaped(title)}</title></head>\n<body>\n${html}\n</body>\n</html>\n`
}

const columnsOf = (items: unknown[]): string[] => {
  const names = new Set<string>()
  for (const item of items) {
    if (isObject(item)) for (const name of Object.keys(item)) names.add(name)
    if (names.size > mostColumns) throw new Error(`the items have more than ${mostColumns} different members`)
  }
  return [...names]
}

/** Writes items as CSV: a column for each member, in the order in which they first occur; lists are rows as they are. */
export const itemsToCsv = (items: unknown[], columns: string[] | undefined): string => {
  const names = columns ?? columnsOf(items)
  const head = names.length > 0 ? [csvRow(names)] : []
  const rows = items.map((item) => {
    if (Array.isArray(item)) return csvRow(item)
    return csvRow(isObject(item) ? names.map((name) => (Object.hasOwn(item, name) ? item[name] : null)) : [item])
  })
  return [...head, ...rows].join('')
}
