const mostChars = 300

const valueText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

/** The data of an item in one line: `topic: harbours · expected: 3`. */
export const itemText = (data: Readonly<Record<string, unknown>>): string =>
  Object.entries(data)
    .map(([name, value]) => `${name}: ${valueText(value)}`)
    .join(' · ')
    .replace(/\s+/g, ' ')
    .slice(0, mostChars)
