import { AppError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { isRefused } from '../../store/database/own-connection.ts'
import type { CallLog } from './call-log.ts'
import type { CallWriter } from './call-writer.ts'
import { contentBytes, type LineContent } from './log-line.ts'
import type { RecordOutage } from './record-outage.ts'
import { contentOfWaiting, type LineOutcome, type WaitingLine } from './waiting-lines.ts'

interface SenderDeps {
  write: CallWriter
  calls: CallLog
  outage: RecordOutage
  log: Logger
  statistics: { recorded: number; spilled: number }
}

/** Sends lines to Postgres, and settles them. While it is away, and if that fails, they stay in the call log. */
export const makeLineSender = ({ write, calls, outage, log, statistics }: SenderDeps) => {
  /** Nobody is left to be told of what Postgres refuses after the answer. */
  const putAside = async (content: LineContent, refusal: unknown): Promise<void> => {
    const place = await calls.setAside(contentBytes(content))
    log.error({ err: refusal, place }, 'the database refused a recorded call, which was set aside')
  }

  const settle = (lines: readonly WaitingLine[], outcome: LineOutcome): void => {
    for (const [at, line] of lines.entries()) {
      const { logged, isCall } = line
      line.outcome = outcome
      if (outcome === 'away') {
        if ('file' in logged) calls.leave(logged)
        if ('file' in logged && isCall) statistics.spilled++
      } else {
        if (outcome === 'committed' && isCall) statistics.recorded++
        const next = lines[at + 1]?.logged
        const isLastOfFile = !next || !('file' in next) || !('file' in logged) || next.file !== logged.file
        if ('file' in logged && isLastOfFile) calls.drain(logged)
      }
      line.settle?.(outcome)
    }
  }

  const refused = async (lines: readonly WaitingLine[], contents: LineContent[], refusal: unknown): Promise<void> => {
    const [one] = lines
    const [content] = contents
    if (lines.length > 1) {
      for (const [at, line] of lines.entries()) await sendLines([line], contents.slice(at, at + 1))
    } else if (one && content) {
      if ('file' in one.logged && !one.isAwaited) await putAside(content, refusal)
      settle(lines, { refusal })
    }
  }

  const sendLines = async (lines: readonly WaitingLine[], contents: LineContent[]): Promise<void> => {
    try {
      if (outage.isAway) throw new AppError('database_unavailable', 'The database does not answer right now')
      await write(contents)
      settle(lines, 'committed')
    } catch (error) {
      if (isRefused(error)) return refused(lines, contents, error)
      outage.begin(error)
      settle(lines, 'away')
    }
  }

  return async (lines: readonly WaitingLine[]): Promise<void> => {
    const contents = lines.map(contentOfWaiting)
    const taken = lines.filter((_, at) => !contents[at])
    if (taken.length > 0) settle(taken, 'away')
    await sendLines(
      lines.filter((_, at) => contents[at]),
      contents.filter((content) => content !== undefined),
    )
  }
}
