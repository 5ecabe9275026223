import type { ScriptHost } from '../../model/scripts/script-run.ts'
import { makeLines } from '../runbooks/output-lines.ts'
import { makeTail } from '../runbooks/tail.ts'

const keptCharacters = 64 * 1024
const longestLine = 16 * 1024

const asItIs = (line: string): string => line

/** What a script prints: the last part of each output, without secrets, also those of several lines. */
export const makePrinted = ({ scrubStream, printed }: Pick<ScriptHost, 'scrubStream' | 'printed'>) => {
  const output = (stream: 'stdout' | 'stderr') => {
    const tail = makeTail(keptCharacters)
    const clean = scrubStream()
    let total = 0
    const lines = makeLines(longestLine, asItIs, (shown) => {
      total += shown.length
      tail.add(shown)
      printed(stream, shown)
    })
    return {
      write: (chunk: Buffer) => lines.write(clean.push(chunk)),
      end(): { text: string; isCut: boolean } {
        lines.write(clean.rest())
        lines.end()
        return { text: tail.text(), isCut: total > keptCharacters }
      },
    }
  }
  return { stdout: output('stdout'), stderr: output('stderr') }
}
