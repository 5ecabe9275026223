/** The next round number: 1, 2 or 5 times a power of ten. Axes end there. */
export const roundAbove = (value: number): number => {
  if (!(value > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  for (const step of [1, 2, 5, 10]) if (step * power >= value) return step * power
  return 10 * power
}

/** Indices of the bars that get a label below them: at most `most`, evenly apart, the last one included. */
export const labelledBars = (count: number, most: number): number[] => {
  if (count === 0) return []
  const apart = Math.max(1, Math.ceil(count / most))
  return Array.from({ length: Math.ceil(count / apart) }, (_, at) => count - 1 - at * apart).reverse()
}
