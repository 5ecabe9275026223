const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

/** A text as code within a line of Markdown. */
export const markdownCode = (text: string): string => `\`${text}\``

/** A table of Markdown; its cells may contain anything. */
export const markdownTable = (heads: string[], rows: string[][]): string =>
  [heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.map(cell).join(' | ')} |`).join('\n')
