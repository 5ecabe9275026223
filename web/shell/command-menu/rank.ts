/** What the command menu can do. */
export interface Command {
  id: string
  text: string
  /** Stands before the text, such as "Task". */
  kind: string
  run: () => void
  /** Keys that do the same. */
  keys?: string
}

/**
 * How well a text fits what was typed: letters in order, better at the beginning of words and side by side. 0: not at
 * all.
 */
export const fitOf = (text: string, typed: string): number => {
  const wanted = typed.toLowerCase().replace(/\s+/g, '')
  if (wanted === '') return 1
  const lower = text.toLowerCase()
  let score = 0
  let at = -1
  for (const letter of wanted) {
    const next = bestAfter(lower, letter, at)
    if (next < 0) return 0
    const startsWord = next === 0 || /[^\p{L}\p{N}]/u.test(lower[next - 1] ?? '')
    score += next === at + 1 ? 3 : startsWord ? 2 : 1
    at = next
  }
  return score / wanted.length + (lower.startsWith(wanted) ? 1 : 0) + 1 / (1 + lower.length)
}

/** Position of a letter after another: right behind it, else at the beginning of a word, else anywhere. */
const bestAfter = (text: string, letter: string, at: number): number => {
  if (text[at + 1] === letter) return at + 1
  for (let from = text.indexOf(letter, at + 1); from >= 0; from = text.indexOf(letter, from + 1)) {
    if (/[^\p{L}\p{N}]/u.test(text[from - 1] ?? ' ')) return from
  }
  return text.indexOf(letter, at + 1)
}

/** The commands that fit, the best first; where they fit alike, in the order given. */
export const rankedCommands = (commands: readonly Command[], typed: string, most = 50): Command[] =>
  commands
    .map((command, order) => ({
      command,
      order,
      fit: Math.max(fitOf(command.text, typed), fitOf(`${command.kind} ${command.text}`, typed) * 0.9),
    }))
    .filter(({ fit }) => fit > 0)
    .sort((left, right) => (typed === '' ? 0 : right.fit - left.fit) || left.order - right.order)
    .slice(0, most)
    .map(({ command }) => command)
