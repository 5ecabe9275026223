/** Makes a function that gives what a promise gives, or undefined once it was called again: only the last call counts. */
export const makeLatest = () => {
  let calls = 0
  return async <Value>(work: Promise<Value> | undefined): Promise<Value | undefined> => {
    const mine = ++calls
    const value = await work
    return mine === calls ? value : undefined
  }
}
