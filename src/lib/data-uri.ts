// The repeated group is bounded, and each of its parts begins with a mark that no part may hold: linear in the text.
const dataUris =
  /data:([\w.+-]{1,100}\/[\w.+-]{1,100})(?:;[\w.+-]{1,60}=[\w.+-]{1,100}){0,4};base64,([A-Za-z0-9+/_-]+={0,2})/g

/** What a data URI holds. */
export interface InlineBytes {
  type: string
  bytes: Buffer
}

/** The bytes of a text that is one data URI in base64; undefined for anything else. */
export const readDataUri = (text: string): InlineBytes | undefined => {
  if (!text.startsWith('data:')) return undefined
  const comma = text.indexOf(',')
  const head = text.slice('data:'.length, comma)
  if (comma < 0 || comma > 600 || !head.endsWith(';base64')) return undefined
  return { type: head.split(';', 1)[0]!, bytes: Buffer.from(text.slice(comma + 1), 'base64') }
}

/** The text with each data URI in it replaced by what `keep` makes of its bytes, one after the other. */
export const replaceDataUris = async (
  text: string,
  keep: (inline: InlineBytes) => Promise<string>,
): Promise<string> => {
  if (!text.includes(';base64,')) return text
  const parts: string[] = []
  let from = 0
  for (const { 0: whole, 1: type = '', 2: base64 = '', index } of text.matchAll(dataUris)) {
    parts.push(text.slice(from, index), await keep({ type, bytes: Buffer.from(base64, 'base64') }))
    from = index + whole.length
  }
  parts.push(text.slice(from))
  return parts.join('')
}
