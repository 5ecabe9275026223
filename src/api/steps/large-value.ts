import { skipString } from '../../lib/json/json-text.ts'
import type { LargeValue } from '../../model/runs/step.ts'

/** Characters of a preview. */
export const previewCharacters = 1_000

/** Writes the reference that replaces a large value: `beginning` is the start of its JSON text. */
export const referenceText = ({ beginning, bytes, href }: { beginning: string; bytes: number; href: string }): string =>
  JSON.stringify({ $large: { bytes, ...previewOf(beginning.trimStart()), href } } satisfies LargeValue)

const previewOf = (text: string): Pick<LargeValue['$large'], 'type' | 'preview'> => {
  if (text.startsWith('"')) return { type: 'string', preview: stringBeginning(text) }
  const type = text.startsWith('[') ? 'array' : text.startsWith('{') ? 'object' : 'number'
  return { type, preview: withoutHalf(text.slice(0, previewCharacters)) }
}

/** The first characters of a string from the beginning of its JSON text, which may end within an escape. */
const stringBeginning = (text: string): string => {
  const end = skipString(text, 0)
  if (end < previewCharacters) return JSON.parse(text.slice(0, end)) as string
  const cut = text.slice(0, previewCharacters).replace(/\\(?:u[0-9a-fA-F]{0,3})?$/, (tail, at: number, all: string) => {
    const slashes = /\\*$/.exec(all.slice(0, at))?.[0].length ?? 0
    return slashes % 2 === 0 ? '' : tail
  })
  return withoutHalf(JSON.parse(`${cut}"`) as string)
}

/** Removes the first half of a surrogate pair (a character above U+FFFF) whose second half was cut off. */
const withoutHalf = (text: string): string => (/[\uD800-\uDBFF]$/.test(text) ? text.slice(0, -1) : text)
