const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/gs

/**
 * Indents JSON as `JSON.stringify(…, null, 2)` does, from text to text: keys keep their order, also numeric ones, and
 * long numbers keep all digits. `text` must be valid JSON.
 */
export const prettyJson = (text: string): string => {
  const parts: string[] = []
  let depth = 0
  let before = ''
  const newLine = () => `\n${'  '.repeat(depth)}`
  for (const [token] of text.matchAll(tokens)) {
    if (token === '}' || token === ']') {
      depth--
      if (before !== '{' && before !== '[') parts.push(newLine())
    } else if (before === '{' || before === '[') parts.push(newLine())
    parts.push(token)
    if (token === '{' || token === '[') depth++
    else if (token === ':') parts.push(' ')
    else if (token === ',') parts.push(newLine())
    before = token
  }
  return parts.join('')
}
