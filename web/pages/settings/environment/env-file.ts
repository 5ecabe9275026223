/** What a text of NAME=value lines sets, or the first line that is none. */
type EnvFile = { variables: Record<string, string> } | { line: number; reason: string }

const assignment = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*/
const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\' }

/** The value that begins at a place, and where the next line begins; undefined: a quote that never ends. */
const readValue = (text: string, at: number): { value: string; next: number } | undefined => {
  const quote = text[at]
  if (quote === '"' || quote === "'" || quote === '`') {
    let end = at + 1
    while (end < text.length && text[end] !== quote) end += quote === '"' && text[end] === '\\' ? 2 : 1
    if (end >= text.length) return undefined
    const inside = text.slice(at + 1, end)
    const value = quote === '"' ? inside.replace(/\\([nrt"\\])/g, (_, sign: string) => escapes[sign] ?? sign) : inside
    return { value, next: lineAfter(text, end) }
  }
  const next = lineAfter(text, at)
  const line = text.slice(at, next).replace(/(^|\s)#.*/, '')
  return { value: line.trim(), next }
}

const lineAfter = (text: string, at: number): number => {
  const end = text.indexOf('\n', at)
  return end < 0 ? text.length : end + 1
}

/** Reads the lines of a .env file: comments, `export`, quotes that may span lines. */
export const readEnvFile = (given: string): EnvFile => {
  const text = given.replaceAll('\r\n', '\n')
  const variables: Record<string, string> = Object.create(null)
  for (let at = 0; at < text.length; ) {
    const next = lineAfter(text, at)
    const line = text.slice(at, next)
    if (/^\s*(#|$)/.test(line)) {
      at = next
      continue
    }
    const number = text.slice(0, at).split('\n').length
    const found = assignment.exec(line)
    if (!found) return { line: number, reason: 'is not NAME=value' }
    const read = readValue(text, at + found[0].length)
    if (!read) return { line: number, reason: 'begins a quote that never ends' }
    variables[found[1] as string] = read.value
    at = read.next
  }
  return { variables: { ...variables } }
}
