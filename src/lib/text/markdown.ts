/** A heading of a Markdown text. */
export interface MarkdownHeading {
  /** Line, from 1. */
  line: number
  level: number
  text: string
  /** Fragment that leads to it, as GitHub makes it; one that occurs again gets a number. */
  anchor: string
}

/** Removes the marks of Markdown from a line of text. */
export const plainLine = (markdown: string): string =>
  markdown
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[`*]/g, '')
    .trim()

const anchorOf = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-')

/** Lists the headings of a text, without lines in blocks of code. */
export const markdownHeadings = (markdown: string): MarkdownHeading[] => {
  const headings: MarkdownHeading[] = []
  const seen = new Map<string, number>()
  let isCode = false
  for (const [at, line] of markdown.split('\n').entries()) {
    if (/^\s*```/.test(line)) isCode = !isCode
    const found = isCode ? null : /^(#{1,6}) (.+)$/.exec(line)
    if (!found) continue
    const text = plainLine(found[2] ?? '')
    const anchor = anchorOf(text)
    const before = seen.get(anchor) ?? 0
    seen.set(anchor, before + 1)
    headings.push({
      ...{ line: at + 1, level: found[1]?.length ?? 1, text },
      anchor: before === 0 ? anchor : `${anchor}-${before}`,
    })
  }
  return headings
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

/** A text as code within a line of Markdown. */
export const markdownCode = (text: string): string => `\`${text}\``

/** A table of Markdown; its cells may contain anything. */
export const markdownTable = (heads: string[], rows: string[][]): string =>
  [heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.map(cell).join(' | ')} |`).join('\n')
