/** Markdown as the pages of the reference need it. */
export const note = '<!-- Written by `npm run docs` from src; changes here are lost. -->'

export { markdownCode as code, markdownTable as table } from '../src/lib/text/markdown.ts'

/** A page that begins with a note of what writes it. */
export const notedPage = (about: string, title: string, ...parts: string[]): string =>
  `${[`# ${title}`, about, ...parts].join('\n\n')}\n`

export const page = (title: string, ...parts: string[]): string => notedPage(note, title, ...parts)
