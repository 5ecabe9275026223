import { makeJoinedText } from '../../lib/text/joined-text.ts'

/** Keeps the end of the output, in constant time for each line: a command may print a million. */
export const makeTail = (most: number) => {
  const kept = makeJoinedText()
  return {
    text: () => kept.text().slice(-most),
    add(line: string) {
      kept.add(line)
      if (kept.length >= 2 * most) kept.add(kept.take().slice(-most))
    },
  }
}
