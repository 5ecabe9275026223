const longestPreview = 120
const longestValue = 60

const value = /"(?:[^"\\]|\\.)*"?|[\w.+-]+/y
const space = /[\s,:{}]*/y

/** Reads what stands at a place of a text. */
const at = (pattern: RegExp, text: string, place: number): string => {
  pattern.lastIndex = place
  return pattern.exec(text)?.[0] ?? ''
}

/** A JSON string as people read it, in one line. Of one that is cut off the beginning is read. */
const plain = (json: string): string => {
  if (!json.startsWith('"')) return json
  const body = json.slice(1, json.length > 1 && json.endsWith('"') ? -1 : undefined)
  try {
    return JSON.parse(`"${body.replace(/\\[^"]?[0-9a-f]{0,3}$/i, '')}"`).replace(/\s+/g, ' ')
  } catch {
    return body
  }
}

/** The place behind a list; strings in it may hold brackets. */
const behindList = (text: string, from: number): number => {
  let depth = 0
  for (let place = from; place < text.length; ) {
    const sign = text[place]
    if (sign === '"') {
      place += Math.max(1, at(value, text, place).length)
      continue
    }
    if (sign === '[') depth++
    if (sign === ']' && --depth === 0) return place + 1
    place++
  }
  return text.length
}

const clipped = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text)

/**
 * Makes a line out of the beginning of JSON: the members that are no object, of whatever depth, as `name: order 3 · n: 3`.
 * A list is only named. An `item` that is no object stands alone.
 */
export const inputPreview = (json: string): string | null => {
  const parts: string[] = []
  let place = at(space, json, 0).length
  while (place < json.length && parts.join(' · ').length < longestPreview) {
    const key = at(value, json, place)
    if (key === '') break
    place += key.length
    const gap = at(space, json, place)
    place += gap.length
    if (gap.includes('{') || gap.includes('}')) continue // an object has members of its own, or none
    const isList = json[place] === '['
    const shown = isList ? '[…]' : clipped(plain(at(value, json, place)), longestValue)
    place = isList ? behindList(json, place) : place + at(value, json, place).length
    if (shown !== '') parts.push(key === '"item"' ? shown : `${plain(key)}: ${shown}`)
    place += at(space, json, place).length
  }
  return parts.length === 0 ? null : clipped(parts.join(' · '), longestPreview)
}
