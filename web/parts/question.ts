/** A question and what belongs to it: the first line of a message, and the rest of it. */
export const splitQuestion = (message: string): { title: string; rest: string } => {
  const [title = '', ...lines] = message.trim().split('\n')
  return { title: title.trim(), rest: lines.join('\n').trim() }
}
