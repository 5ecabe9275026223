import type { ScriptHost } from '../model/scripts/script-run.ts'
import { makeLines } from '../runbooks/lines.ts'
import { makeTail } from '../runbooks/tail.ts'

const keptCharacters = 64 * 1024
const longestLine = 16 * 1024

/** What a script prints: the last part of each output, without secrets. */
export const makePrinted = ({ scrub, printed }: Pick<ScriptHost, 'scrub' | 'printed'>) => {
  const output = (stream: 'stdout' | 'stderr') => {
    const tail = makeTail(keptCharacters)
    let total = 0
    const lines = makeLines(longestLine, scrub, (shown) => {
      total += shown.length
      tail.add(shown)
      printed(stream, shown)
    })
    return {
      write: lines.write,
      end(): { text: string; isCut: boolean } {
        lines.end()
        return { text: scrub(tail.text()), isCut: total > keptCharacters } // again: a secret may span lines
      },
    }
  }
  return { stdout: output('stdout'), stderr: output('stderr') }
}
