const mostChars = 300

/** More is never seen, however much white space there is. */
const mostRead = 4 * mostChars

const valueText = (value: unknown): string =>
  typeof value === 'string' ? value.slice(0, mostRead) : JSON.stringify(value).slice(0, mostRead)

/** The data of an item in one line: `topic: harbours · expected: 3`. */
export const itemText = (data: Readonly<Record<string, unknown>>): string => {
  let text = ''
  for (const [name, value] of Object.entries(data)) {
    text += `${text === '' ? '' : ' · '}${name}: ${valueText(value)}`
    if (text.length > mostRead) break
  }
  return text.replace(/\s+/g, ' ').slice(0, mostChars)
}
