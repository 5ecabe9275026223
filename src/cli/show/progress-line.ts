import pc from 'picocolors'

const isTerminal = () => process.stderr.isTTY === true
const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

export interface ProgressLine {
  /** Makes room for something else to be printed. */
  clear(): void
  stop(): void
}

/** What is drawn may not go on in a second line, which the next drawing would leave behind. */
const unwrapped = (text: string): string => `\u001b[?7l${text}\u001b[?7h`

/**
 * One line at the bottom of the terminal that is drawn over itself. Without a terminal it is silent, or with
 * `spokenSeconds` said again after so long a silence.
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
