import pc from 'picocolors'

const isTerminal = () => process.stderr.isTTY === true
const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

interface ProgressLine {
  /** Clears the line for other output. */
  clear(): void
  stop(): void
}

/** Turns line wrapping off, since a redraw would not clear a second line. */
const unwrapped = (text: string): string => `\u001b[?7l${text}\u001b[?7h`

/**
 * Makes a line at the bottom of the terminal that is redrawn in place. Without a terminal it prints nothing, or with
 * `spokenSeconds` a new line at that interval.
 */
export const makeProgressLine = (text: () => string, spokenSeconds?: number): ProgressLine => {
  let at = 0
  const draw = () =>
    process.stderr.write(`\r\u001b[2K${unwrapped(`${pc.cyan(frames[at++ % frames.length] ?? '')} ${text()}`)}`)
  const speak = () => process.stderr.write(`${text()}\n`)
  const timer = isTerminal()
    ? setInterval(draw, 100)
    : spokenSeconds === undefined
      ? undefined
      : setInterval(speak, spokenSeconds * 1000)
  const clear = () => void (isTerminal() ? process.stderr.write('\r\u001b[2K') : timer?.refresh())
  return {
    clear,
    stop() {
      clear()
      clearInterval(timer)
    },
  }
}
