/**
 * The sentence about a failed step, for the run and its log. A cause that begins with the step's name, in a loop with its
 * name without the turn, does not say it twice.
 */
export const stepFailed = (name: string, cause: string): string => {
  const names = [name, name.replace(/__\d+$/, '')].map((one) => `Step '${one}'`)
  const said = names.find((one) => cause.startsWith(one))
  return `${names[0]} failed: ${said === undefined ? cause : cause.slice(said.length).replace(/^[:\s]+/, '')}`
}
