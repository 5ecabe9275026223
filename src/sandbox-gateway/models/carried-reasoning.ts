import { isObject, type JsonObject, parsedJson } from '../../lib/json/json-object.ts'

// Some models take no result of a tool without the thoughts that led to its call, as they were given out. A chat has them
// in `reasoning_details`; Gemini in a signature, which whoever asks hands back unread: there they are carried.
const mark = 'jetty:'
/** More is not handed back: the model then thinks anew. */
const mostCharacters = 1024 * 1024

/** What the parts of a streamed answer say of its thoughts, put together. */
export const makeReasoning = () => {
  const details = new Map<string, JsonObject>()
  return {
    add(deltas: unknown): void {
      for (const delta of Array.isArray(deltas) ? deltas : []) {
        if (!isObject(delta)) continue
        const place = `${delta.type} ${delta.index ?? delta.id ?? details.size}`
        const known = details.get(place)
        if (!known) {
          details.set(place, { ...delta })
          continue
        }
        for (const [name, value] of Object.entries(delta)) {
          const before = known[name]
          const isWords = (name === 'text' || name === 'summary') && typeof before === 'string'
          if (isWords && typeof value === 'string') known[name] = before + value
          else if (value !== null && name !== '__proto__') known[name] = value
        }
      }
    },
    /** As a signature; undefined where there are none. */
    signature(): string | undefined {
      if (details.size === 0) return undefined
      const text = JSON.stringify([...details.values()])
      return text.length > mostCharacters ? undefined : Buffer.from(mark + text).toString('base64')
    },
  }
}

/** The thoughts in a signature; undefined where it is none of ours. */
export const reasoningIn = (signature: unknown): unknown[] | undefined => {
  if (typeof signature !== 'string') return undefined
  const text = Buffer.from(signature, 'base64').toString()
  const details = text.startsWith(mark) ? parsedJson(text.slice(mark.length)) : undefined
  return Array.isArray(details) ? details : undefined
}
