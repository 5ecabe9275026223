const units = ['KB', 'MB', 'GB', 'TB', 'PB']

/** Formats a size with units of 1,000: `44 B`, `1.5 KB`, `412 MB`; null is `–`. */
export const bytesText = (bytes: number | null | undefined): string => {
  if (bytes === null || bytes === undefined) return '–'
  if (bytes < 1000) return `${bytes} B`
  let size = bytes
  let unit = -1
  do {
    size /= 1000
    unit += 1
  } while (size >= 999.5 && unit < units.length - 1)
  return `${size < 9.95 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`
}
