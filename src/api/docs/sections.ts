import { markdownHeadings } from '../../lib/text/markdown-headings.ts'

/** A section of a page: from a heading to the next one. */
export interface DocSection {
  /** Null for what stands before the first heading below the title. */
  heading: string | null
  anchor: string | null
  text: string
}

/** The title of a page: its first heading. */
export const titleOf = (markdown: string): string | undefined =>
  markdownHeadings(markdown).find(({ level }) => level === 1)?.text

/** Splits a page at its headings below the title. */
export const docSectionsOf = (markdown: string): DocSection[] => {
  const lines = markdown.split('\n')
  const headings = markdownHeadings(markdown)
  const title = headings.find(({ level }) => level === 1)?.line ?? 0
  const below = headings.filter(({ level }) => level > 1)
  const textOf = (from: number, to: number | undefined) => lines.slice(from, to === undefined ? to : to - 1).join('\n')
  return [
    { heading: null, anchor: null, text: textOf(title, below[0]?.line) },
    ...below.map(({ text, anchor, line }, at) => ({
      ...{ heading: text, anchor, text: textOf(line, below[at + 1]?.line) },
    })),
  ]
}
