/** Keeps the end of the output, in constant time for each line: a command may print a million. */
export const makeTail = (most: number) => {
  let parts: string[] = []
  let length = 0
  const text = () => parts.join('').slice(-most)
  return {
    text,
    add(line: string) {
      parts.push(line)
      length += line.length
      if (length < 2 * most) return
      parts = [text()]
      length = most
    },
  }
}
