const signs = [
  /^#{1,6} \S/m,
  /^\s*[-*] \S.*\n\s*[-*] \S/m,
  /^\s*1[.)] \S.*\n\s*2[.)] \S/m,
  /\*\*[^*\n]+\*\*/,
  /^```/m,
  /\[[^\]\n]+\]\([^)\s]+\)/,
  /^\|.+\|\s*\n\|[ :|-]+\|/m,
  /^> \S/m,
]

/** Whether a text has the marks of Markdown. Looks at its first 20,000 characters. */
export const looksLikeMarkdown = (text: string): boolean => {
  const beginning = text.slice(0, 20_000)
  return signs.some((sign) => sign.test(beginning))
}
