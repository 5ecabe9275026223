// Extracts the shell blocks of a runbook for the scripted agent. Plain JavaScript without dependencies.

/** Lines allowed before the front matter; the same number as in the server's `splitRunbook`. */
const mostLinesBefore = 5

/** Prefix of a quoted line; what follows is markdown of its own. */
const quoteMarks = /^ {0,3}(?:> ?)+/
const listItem = /^([ \t]*)(?:[-*+]|\d{1,9}[.)])([ \t]+)/
const fenceStart = /^([ \t]*)(?:(`{3,})[ \t]*([^`\s]*)[^`]*|(~{3,})[ \t]*(\S*).*)$/
/** Extra indentation that makes a line a code block by itself. */
const codeIndent = 4

const widthOf = (blank) => blank.replaceAll('\t', '    ').length

/** Returns the lines after the front matter. */
const bodyOf = (text) => {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/)
  const open = lines.slice(0, mostLinesBefore).findIndex((line) => line.trimEnd() === '---')
  if (open < 0 || !lines.slice(0, open).every((line) => line.trim() === '' || line.startsWith('#'))) return lines
  const length = lines.slice(open + 1).findIndex((line) => /^(---|\.\.\.)\s*$/.test(line))
  return length < 0 ? lines : lines.slice(open + 1 + length + 1)
}

/** Removes up to the indentation of the fence from a line. */
const unindented = (line, indent) => {
  let at = 0
  while (at < indent.length && /[ \t]/.test(line[at] ?? '')) at++
  return line.slice(at)
}

const closes = (line, mark) => {
  const text = line.trim()
  return text.length >= mark.length && text === mark[0].repeat(text.length)
}

/** Languages of blocks that run, each with the shell of that name: `bash` has arrays and `[[`, `sh` has not. */
const shells = ['sh', 'bash']

/**
 * Finds the fenced blocks whose first word is `sh` or `bash`, in order, as `{shell, command}` without the indentation
 * of their fence. Fences in lists and quotes count; those in comments, other blocks and indented code do not.
 */
const shellBlocksOf = (markdown) => {
  const blocks = []
  let open
  let isComment = false
  /** Column where the text of the current list begins; 0 outside a list. */
  let listIndent = 0
  for (const whole of bodyOf(markdown)) {
    const quote = quoteMarks.exec(whole)?.[0] ?? ''
    if (open?.isQuoted && quote === '') open = close(open, blocks) // the end of the quote closes what it holds
    if (open) {
      const line = open.isQuoted ? whole.slice(quote.length) : whole
      if (closes(line, open.mark)) open = close(open, blocks)
      else open.lines.push(unindented(line, open.indent))
      continue
    }
    let line = whole.slice(quote.length)
    if (isComment || /^ {0,3}<!--/.test(line)) {
      isComment = !line.slice(isComment ? 0 : line.indexOf('<!--') + 4).includes('-->')
      continue
    }
    for (
      let item = listItem.exec(line);
      item && widthOf(item[1]) < listIndent + codeIndent;
      item = listItem.exec(line)
    ) {
      listIndent = widthOf(item[0])
      line = ' '.repeat(item[0].length) + line.slice(item[0].length)
    }
    const indent = /^[ \t]*/.exec(line)[0]
    if (line.trim() !== '' && widthOf(indent) === 0) listIndent = 0
    const fence = fenceStart.exec(line)
    if (!fence || widthOf(indent) >= listIndent + codeIndent) continue
    const [, , ticks, word, tildes, otherWord] = fence
    const language = (word ?? otherWord ?? '').toLowerCase()
    open = { mark: ticks ?? tildes, language, indent, isQuoted: quote !== '', lines: [] }
  }
  if (open) close(open, blocks) // an unclosed fence ends with the document, as in CommonMark
  return blocks
}

/** Stores a finished block and returns no open block. */
const close = ({ language, lines }, blocks) => {
  if (shells.includes(language)) blocks.push({ shell: language, command: lines.join('\n') })
  return undefined
}

module.exports = { shellBlocksOf }
