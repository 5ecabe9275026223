import { AppError } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import type { ScriptOutcome } from '../../model/scripts/script-run.ts'

const shownCharacters = 500

/** The line that says what went wrong: in Python the last, in JavaScript the one before the indented lines. */
const lastWords = (stderr: string): string => {
  const lines = stderr.split('\n').filter((line) => /^\S/.test(line))
  const said = lines.at(-1)?.trim() ?? ''
  return said.length > shownCharacters ? `${said.slice(0, shownCharacters)}…` : said
}

const exited = ({ exitCode, stderr, refusedHosts }: ScriptOutcome): AppError => {
  const said = lastWords(stderr)
  const hint =
    refusedHosts.length > 0
      ? `It asked for ${refusedHosts.slice(0, 5).join(', ')}, which network does not name, or which the collection may not reach.`
      : 'The outputs stdout and stderr have what it printed.'
  return new AppError('activity_failed', `The script ended with exit code ${exitCode}${said && `: ${said}`}`, { hint })
}

const lost = new AppError('activity_failed', 'The sandbox of the script ended, and nobody knows how the script did', {
  hint: 'Run it again; if that repeats, look into the log of the server.',
  retryable: true,
})

/** Why a script that has ended counts as failed; undefined if it does not. */
export const scriptFailure = (outcome: ScriptOutcome): AppError | undefined => {
  const { end, limits } = outcome
  const limited = (what: string, setting: string, code: 'too_large' | 'timed_out' = 'too_large') =>
    new AppError(code, `The script ${what}`, { hint: `Let it do less, or raise ${setting}.` })
  if (end === 'exit') return outcome.exitCode === 0 ? undefined : exited(outcome)
  if (end === 'lost') return lost
  if (end === 'cancelled') return new AppError('cancelled', 'The script was cancelled')
  return {
    timed_out: limited(
      `timed out after ${limits.seconds} s`,
      'timeout_sec of the step, or JETTY_SCRIPT_SECONDS',
      'timed_out',
    ),
    out_of_memory: limited(`needs more than ${byteSize(limits.memoryBytes)} of memory`, 'JETTY_SCRIPT_MEMORY_BYTES'),
    disk_full: limited(`wrote more than ${byteSize(limits.diskBytes)}`, 'JETTY_SCRIPT_DISK_BYTES'),
    output_limit: limited(`printed more than ${byteSize(limits.outputBytes)}`, 'JETTY_SCRIPT_OUTPUT_BYTES'),
    process_limit: limited(
      `reached its limit of ${limits.pids} processes, and ended with exit code ${outcome.exitCode}`,
      'JETTY_SCRIPT_PIDS',
    ),
  }[end]
}
