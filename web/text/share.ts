/** Formats a share of a whole: `98 %`, `99.5 %` near its ends; null where there is no whole. */
export const shareText = (part: number, whole: number): string => {
  if (whole === 0) return '–'
  const percent = (part / whole) * 100
  if (percent === 0 || percent === 100) return `${percent} %`
  return percent < 1 || percent > 99
    ? `${Math.min(99.9, Math.max(0.1, percent)).toFixed(1)} %`
    : `${Math.round(percent)} %`
}
