/** What the server is sent for a text that was pasted: its name says the format. */
export const pastedFileName = (text: string): string => {
  const start = text.trimStart()
  if (start.startsWith('[')) return 'pasted.json'
  return start.startsWith('{') ? 'pasted.jsonl' : 'pasted.csv'
}

/**
 * What is sent for a pasted text. One JSON object that is written over several lines becomes one line; cells of a
 * spreadsheet are copied with tabs between them, and become CSV.
 */
export const pastedContent = (text: string): string => {
  const name = pastedFileName(text)
  if (name === 'pasted.jsonl') return oneLine(text)
  return name === 'pasted.csv' && isTabbed(text) ? csvOfTabs(text) : text
}

const oneLine = (text: string): string => {
  try {
    return JSON.stringify(JSON.parse(text))
  } catch {
    return text
  }
}

const isTabbed = (text: string): boolean => (text.trimStart().split('\n', 1)[0] ?? '').includes('\t')

/** A cell in quotes, which may go over several lines, or a plain one, or what stands between two. */
const tabbedPart = /"(?:[^"]|"")*"(?=[\t\n]|$)|([^\t\n]+)|\t/g

const csvOfTabs = (text: string): string =>
  text
    .replaceAll('\r\n', '\n')
    .replace(tabbedPart, (part, plain?: string) =>
      plain === undefined ? (part === '\t' ? ',' : part) : csvCell(plain),
    )

const csvCell = (cell: string): string => (/[",]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)
