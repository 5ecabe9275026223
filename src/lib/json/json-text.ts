/** Maximum nesting of accepted JSON: enough for any workflow, and far from overflowing the stack. */
export const maxJsonDepth = 512

const isSpace = (code: number): boolean => code === 32 || code === 10 || code === 13 || code === 9

/** Index after the string that opens at `at`. */
export const skipString = (text: string, at: number): number => {
  let end = text.indexOf('"', at + 1)
  while (end !== -1) {
    let slashes = 0
    while (text.charCodeAt(end - 1 - slashes) === 92) slashes++
    if (slashes % 2 === 0) return end + 1
    end = text.indexOf('"', end + 1)
  }
  return text.length
}

/** Whether objects and arrays of a JSON text are nested deeper than `limit`. Uses no recursion. */
export const isDeeperThan = (text: string, limit: number): boolean => {
  if (text.length <= limit) return false
  let depth = 0
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at)
    if (code === 34) {
      at = skipString(text, at)
      continue
    }
    if (code === 123 || code === 91) {
      if (++depth > limit) return true
    } else if (code === 125 || code === 93) depth--
    at++
  }
  return false
}

/** Index after the value that starts at `at`: the next comma or closing bracket outside of it. */
const skipValue = (text: string, at: number): number => {
  let depth = 0
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === 34) {
      at = skipString(text, at)
      continue
    }
    if (code === 123 || code === 91) depth++
    else if (code === 125 || code === 93) {
      if (depth === 0) return at
      depth--
    } else if (code === 44 && depth === 0) return at
    at++
  }
  return at
}

/**
 * Lists the members of a JSON object in order, with the position of each value, without parsing the values. A text that was cut
 * off ends with the member that is cut.
 */
export function* memberSpans(text: string): Generator<{ name: string; start: number; end: number }> {
  let at = text.indexOf('{') + 1
  if (at === 0) return
  while (at < text.length) {
    while (isSpace(text.charCodeAt(at)) || text[at] === ',') at++
    if (text[at] !== '"') return
    const nameEnd = skipString(text, at)
    const start = text.indexOf(':', nameEnd) + 1
    if (start === 0) return
    const name = JSON.parse(text.slice(at, nameEnd)) as string
    at = skipValue(text, start)
    yield { name, start, end: at }
  }
}

/**
 * Returns the text of one member of a JSON object as it was written (key order, long numbers), without whitespace
 * between tokens. `text` must be valid JSON. Of repeated names the last counts, as in JSON.parse.
 */
export const memberText = (text: string, name: string): string | undefined => {
  let found: string | undefined
  for (const member of memberSpans(text)) if (member.name === name) found = text.slice(member.start, member.end)
  return found === undefined ? undefined : compact(found)
}

/** Removes whitespace between the tokens of JSON. */
export const compact = (text: string): string => {
  let result = ''
  let from = 0
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at)
    if (code === 34) {
      at = skipString(text, at)
    } else if (isSpace(code)) {
      result += text.slice(from, at)
      while (isSpace(text.charCodeAt(at))) at++
      from = at
    } else at++
  }
  return result + text.slice(from)
}

/** Writes a value in canonical form: keys sorted by code unit, no whitespace. */
export const canonicalJson = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const members = Object.keys(value).sort() // an own `__proto__` is a key like any other
  return `{${members.map((key) => `${JSON.stringify(key)}:${canonicalJson((value as Record<string, unknown>)[key])}`).join(',')}}`
}

/** Adds members that are already JSON text to a JSON object. */
export const withRaw = (object: Record<string, unknown>, raw: Record<string, string>): string =>
  `${JSON.stringify(object).slice(0, -1)}${Object.entries(raw)
    .map(([name, text]) => `,"${name}":${text}`)
    .join('')}}`
