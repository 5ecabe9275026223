// Linear in the text: the repeated group is bounded, and its parts begin with a character that no part may contain.
const dataUris =
  /data:([\w.+-]{1,100}\/[\w.+-]{1,100})(?:;[\w.+-]{1,60}=[\w.+-]{1,100}){0,4};base64,([A-Za-z0-9+/_-]+={0,2})/g

/** Content of a data URI. */
interface InlineBytes {
  type: string
  bytes: Buffer
}

const dataUriHead = /^data:([\w.+-]{1,100}\/[\w.+-]{1,100})((?:;[\w.+=-]{1,160}){0,5}),/

const unescaped = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** Decodes a text that is one data URI, in base64 or percent-encoded; undefined for anything else. */
export const readDataUri = (text: string): InlineBytes | undefined => {
  const [head, type, more] = dataUriHead.exec(text) ?? []
  if (head === undefined || type === undefined) return undefined
  const data = text.slice(head.length)
  if (more?.endsWith(';base64')) return { type, bytes: Buffer.from(data, 'base64') }
  const plain = unescaped(data)
  return plain === undefined ? undefined : { type, bytes: Buffer.from(plain) }
}

/** Replaces each data URI in a text, one after the other, by what `keep` returns for its bytes; undefined keeps it. */
export const replaceDataUris = async (
  text: string,
  keep: (inline: InlineBytes) => Promise<string | undefined>,
): Promise<string> => {
  if (!text.includes(';base64,')) return text
  const parts: string[] = []
  let from = 0
  for (const { 0: whole, 1: type = '', 2: base64 = '', index } of text.matchAll(dataUris)) {
    parts.push(text.slice(from, index), (await keep({ type, bytes: Buffer.from(base64, 'base64') })) ?? whole)
    from = index + whole.length
  }
  parts.push(text.slice(from))
  return parts.join('')
}
