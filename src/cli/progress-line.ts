import pc from 'picocolors'

const isTerminal = () => process.stderr.isTTY === true
const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

export interface ProgressLine {
  /** Makes room for something else to be printed. */
  clear(): void
  stop(): void
}

/** One line at the bottom of the terminal that is drawn over itself; nothing where there is no terminal. */
export const makeProgressLine = (text: () => string): ProgressLine => {
  let at = 0
  const draw = () => process.stderr.write(`\r\u001b[2K${pc.cyan(frames[at++ % frames.length] ?? '')} ${text()}`)
  const timer = isTerminal() ? setInterval(draw, 100) : undefined
  const clear = () => void (isTerminal() && process.stderr.write('\r\u001b[2K'))
  return {
    clear,
    stop() {
      clearInterval(timer)
      clear()
    },
  }
}
