const pieceMs = 250

/**
 * Calls back after this process was awake for that many milliseconds. Returns a function that cancels it. After a
 * suspension, Node runs timers before pending input. So this waits in pieces, of which a suspension uses up only one,
 * and lets pending input in before it calls back.
 */
export const afterAwake = (milliseconds: number, done: () => void): (() => void) => {
  let left = milliseconds
  let last: NodeJS.Immediate | undefined
  const wait = () => setTimeout(look, Math.min(pieceMs, left))
  const look = () => {
    left -= pieceMs
    if (left > 0) timer = wait()
    else last = setImmediate(done)
  }
  let timer = wait()
  return () => {
    clearTimeout(timer)
    clearImmediate(last)
  }
}
