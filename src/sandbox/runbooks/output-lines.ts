import { StringDecoder } from 'node:string_decoder'
import { makeJoinedText } from '../../lib/text/joined-text.ts'

/** Splits a byte stream into lines; a line longer than `most` characters is cut. */
const splitLines = (most: number, onLine: (line: string, left: number) => void) => {
  const decoder = new StringDecoder('utf8')
  const kept = makeJoinedText()
  let left = 0
  const add = (text: string) => {
    const fitting = text.slice(0, most - kept.length)
    kept.add(fitting)
    left += text.length - fitting.length
  }
  const end = () => {
    const line = kept.take()
    const omitted = left
    left = 0
    onLine(line.endsWith('\r') ? line.slice(0, -1) : line, omitted)
  }
  const take = (text: string) => {
    let from = 0
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', from)) {
      add(text.slice(from, at))
      end()
      from = at + 1
    }
    add(text.slice(from))
  }
  return {
    write: (chunk: Uint8Array) => take(decoder.write(chunk)),
    /** Flushes the last line, if it has no line end. */
    end: () => {
      take(decoder.end())
      if (kept.length > 0 || left > 0) end()
    },
  }
}

/** Scrubs this far beyond the cut, so that a secret across the end of a line is removed before cutting. */
const beyondLine = 64 * 1024

/** Splits output into lines, each also as displayed: without secrets, and cut to `most` characters. */
export const makeLines = (
  most: number,
  scrub: (text: string) => string,
  onLine: (shown: string, line: string) => void,
) =>
  splitLines(most + beyondLine, (line, left) => {
    const clean = scrub(line)
    const cut = clean.slice(0, most)
    onLine(left > 0 || cut !== clean ? `${cut}… (the rest of the line is left out)\n` : `${cut}\n`, line)
  })
