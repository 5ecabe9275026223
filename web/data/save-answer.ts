/** Saves the bytes of an answer as a file of that name. A link could not send the session along. */
export const saveAnswer = async (answer: Response, name: string): Promise<void> => {
  const url = URL.createObjectURL(await answer.blob())
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}
