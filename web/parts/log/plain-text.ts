import { visibleDirections } from '../../text/directions.ts'

const esc = String.raw`\u001b`

/** Codes of a terminal: sequences that end with a letter, titles and links, and other strings up to their end. */
const ansiCodes = new RegExp(
  [
    `${esc}\\[[0-?]*[ -/]*[@-~]`,
    `${esc}\\][^\\u0007\\u001b]*(?:\\u0007|${esc}\\\\)?`,
    `${esc}[PX^_][^\\u001b]*(?:${esc}\\\\)?`,
    `${esc}[ -/]*[0-~]`,
    '\\u009b[0-?]*[ -/]*[@-~]',
  ].join('|'),
  'g',
)
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters have no picture
const controls = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g
/** A terminal would write over the line from its beginning. */
const overwritten = /[^\n]*\r(?!\n)(?=[^\n])/g

/** Text as a person may read it: without the codes of a terminal, and with the controls of its direction visible. */
export const plainText = (text: string): string =>
  visibleDirections(text.replace(ansiCodes, '').replace(overwritten, '').replace(/\r/g, '').replace(controls, ''))
