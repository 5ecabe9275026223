import { closeSync, copyFileSync, openSync, readSync, statSync, truncateSync } from 'node:fs'

const largestBytes = 10 * 1024 * 1024
const excerptBytes = 8_192

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0

/** Rotates the log above 10 MB to `<path>.1`. Postgres appends, so it need not be told. */
export const trimPostgresLog = (path: string): void => {
  if (sizeOf(path) <= largestBytes) return
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
}

/** Remembers the current end of the log; returns a function that reports errors since then. */
export const watchPostgresLog = (path: string): (() => string) => {
  const start = sizeOf(path)
  return () => {
    const text = readFrom(path, Math.max(start, sizeOf(path) - excerptBytes))
    const lines = text.split('\n').filter(Boolean)
    const telling = lines.filter((line) => /(FATAL|PANIC|ERROR|HINT|DETAIL|error while loading):/.test(line))
    return (telling.length > 0 ? telling : lines).slice(-4).join(' | ')
  }
}

const readFrom = (path: string, position: number): string => {
  if (sizeOf(path) <= position) return ''
  const file = openSync(path, 'r')
  try {
    const buffer = Buffer.alloc(excerptBytes)
    return buffer.toString('utf8', 0, readSync(file, buffer, 0, excerptBytes, position))
  } finally {
    closeSync(file)
  }
}
