import { parsedJson } from '../../../lib/json/json-object.ts'

// Some models accept the result of a tool only together with the reasoning that led to its call. A chat has it in
// `reasoning_details`. Gemini has a signature that its clients hand back unread, which carries the details here.
const mark = 'jetty:'
/** Longer reasoning is dropped: the model then reasons again. */
const mostCharacters = 1024 * 1024

/** Reasoning details as a signature; undefined for none, or for more than can be carried. */
export const signatureOf = (details: readonly unknown[]): string | undefined => {
  if (details.length === 0) return undefined
  const text = JSON.stringify(details)
  return text.length > mostCharacters ? undefined : Buffer.from(mark + text).toString('base64')
}

/** The reasoning details in a signature; undefined for a signature that is not ours. */
export const detailsIn = (signature: unknown): unknown[] | undefined => {
  if (typeof signature !== 'string') return undefined
  const text = Buffer.from(signature, 'base64').toString()
  const details = text.startsWith(mark) ? parsedJson(text.slice(mark.length)) : undefined
  return Array.isArray(details) ? details : undefined
}
