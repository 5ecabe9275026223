import { reportCroissant } from './report.ts'

/** A file to validate. */
export interface SentFile {
  filename: string
  bytes: Uint8Array
}

/** The server would hold a larger report in memory, and its client could hardly read it. */
const maxReportCharacters = 32 * 1024 * 1024

process.on('message', ({ filename, bytes }: SentFile) => {
  const text = JSON.stringify(reportCroissant(filename, bytes))
  if (text.length > maxReportCharacters) process.exit(1)
  process.send?.(text)
})
process.on('disconnect', () => process.exit())
