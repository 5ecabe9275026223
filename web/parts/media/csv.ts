/** Rows of a text of comma-separated values (RFC 4180), at most `most`. A quote that never closes ends with the text. */
export const csvRows = (text: string, most = 1_000): string[][] => {
  const separator = separatorOf(text)
  const rows: string[][] = []
  let row: string[] = []
  let at = text.startsWith('\ufeff') ? 1 : 0
  while (at < text.length && rows.length < most) {
    const [value, end] = text[at] === '"' ? quoted(text, at, separator) : bare(text, at, separator)
    row.push(value)
    at = end
    if (text[at] === separator) {
      at++
      if (at === text.length) row.push('')
      else if (text[at] !== '\n' && text[at] !== '\r') continue
      else row.push('')
    }
    if (text[at] === '\r') at++
    if (text[at] === '\n') at++
    rows.push(row)
    row = []
  }
  return rows
}

const separatorOf = (text: string): string => {
  const line = text.slice(0, 4_096).split('\n', 1)[0]!
  const counted = [',', ';', '\t'].map((mark) => [mark, line.split(mark).length] as const)
  return counted.reduce((best, one) => (one[1] > best[1] ? one : best))[0]
}

const bare = (text: string, at: number, separator: string): [string, number] => {
  let end = at
  while (end < text.length && text[end] !== separator && text[end] !== '\n' && text[end] !== '\r') end++
  return [text.slice(at, end), end]
}

const quoted = (text: string, at: number, separator: string): [string, number] => {
  let value = ''
  let from = at + 1
  for (;;) {
    const close = text.indexOf('"', from)
    if (close < 0) return [value + text.slice(from), text.length]
    value += text.slice(from, close)
    if (text[close + 1] !== '"') {
      const [rest, end] = bare(text, close + 1, separator)
      return [value + rest, end]
    }
    value += '"'
    from = close + 2
  }
}
