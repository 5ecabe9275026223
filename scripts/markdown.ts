/** Markdown as the pages of the reference need it. */
export const note = '<!-- Written by `npm run docs` from src; changes here are lost. -->'

export const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
export const code = (text: string): string => `\`${text}\``

export const table = (heads: string[], rows: string[][]): string =>
  [heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.map(cell).join(' | ')} |`).join('\n')

/** A page that begins with a note of what writes it. */
export const notedPage = (about: string, title: string, ...parts: string[]): string =>
  `${[`# ${title}`, about, ...parts].join('\n\n')}\n`

export const page = (title: string, ...parts: string[]): string => notedPage(note, title, ...parts)
