import type { ProcessLimits } from '../../lib/processes/limited-process.ts'
import { makeWarmProcess } from '../../lib/processes/warm-process.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { tooLongReport } from './report.ts'
import type { SentFile } from './report-process.ts'

/**
 * Makes a validator of Croissant files that works in a process of its own, and returns reports as JSON. A small document
 * may refer to itself so often that following it takes hours: then the process is killed, and the report says so. It
 * validates one file at a time.
 */
export const makeCroissantReporter = (limits: ProcessLimits): ((file: SentFile) => Promise<string>) => {
  const program = { module: import.meta.url, program: 'report-process', limits }
  const { ask } = makeWarmProcess<SentFile, string>(program)
  return async (file) => {
    const result = await ask(file)
    if ('answer' in result) return result.answer
    const allowed = `${limits.seconds} s and ${byteSize(limits.memoryBytes)} of memory`
    return JSON.stringify(tooLongReport(file.filename, allowed))
  }
}
