import { type ProcessLimits, runLimitedProcess } from '../lib/processes/limited-process.ts'
import { byteSize } from '../lib/settings/byte-size.ts'
import { tooLongReport } from './report.ts'
import type { SentFile } from './report-process.ts'

/**
 * Validates a Croissant file in a process of its own, and returns the report as JSON. A small document may refer to
 * itself so often that following it takes hours: then the process is killed, and the report says so.
 */
export const runCroissantReport = (file: SentFile, limits: ProcessLimits): Promise<string> =>
  runLimitedProcess<SentFile, string, string>(
    { module: import.meta.url, program: 'report-process', limits },
    {
      first: file,
      receive: (report, process) => process.resolve(report),
      ended: (_end, process) => {
        const allowed = `${limits.seconds} s and ${byteSize(limits.memoryBytes)} of memory`
        process.resolve(JSON.stringify(tooLongReport(file.filename, allowed)))
      },
    },
  )
