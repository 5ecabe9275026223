/** The sentence about a failed step, for the run and its log; a cause that begins with the step's name does not say it twice. */
export const stepFailed = (name: string, cause: string): string => {
  const named = `Step '${name}'`
  return `${named} failed: ${cause.startsWith(named) ? cause.slice(named.length).replace(/^[:\s]+/, '') : cause}`
}
