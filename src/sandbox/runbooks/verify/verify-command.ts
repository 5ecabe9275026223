import { AppError } from '../../../lib/errors.ts'
import type { Verification } from '../../../model/runbooks/runbook-run.ts'
import { inside } from '../../../model/runbooks/sandbox.ts'
import type { WalkedFile } from '../../isolation/files/walk-results.ts'
import type { SandboxProvider, SandboxSpec } from '../../isolation/sandbox.ts'
import { baseEnvironment } from '../environment.ts'
import { makeLines } from '../output-lines.ts'
import { makeTail } from '../tail.ts'
import type { FilledCommand } from './fill-command.ts'

/** A verdict before repair rounds are counted. */
export type CheckVerdict = Omit<Verification, 'repair_rounds'>

export interface CommandCheck extends FilledCommand {
  timeoutSeconds: number
}

const keptOutput = 16 * 1024
const longestLine = 8 * 1024

/**
 * Runs a command in a fresh sandbox over a copy of the results, at the same path and without network, so that nothing
 * the agent left running or changed has an effect. Throws when it could not be run.
 */
export const verifyByCommand = async (
  { command, env, timeoutSeconds }: CommandCheck,
  files: readonly WalkedFile[],
  sandbox: { provider: Pick<SandboxProvider, 'create'>; spec: Omit<SandboxSpec, 'agentFolder'> },
  scrub: (text: string) => string,
  signal: AbortSignal,
): Promise<CheckVerdict> => {
  const place = await sandbox.provider.create(sandbox.spec)
  try {
    const { places } = place
    for (const file of files) {
      signal.throwIfAborted()
      await place.put(`${inside.results}/${file.path}`, file.open(), file.isExecutable ? 0o755 : 0o644)
    }
    const output = makeTail(keptOutput)
    const lines = {
      stdout: makeLines(longestLine, scrub, output.add),
      stderr: makeLines(longestLine, scrub, output.add),
    }
    const exit = await place.run({
      argv: ['/bin/sh', '-c', command],
      env: { ...baseEnvironment(places.home), ...env },
      cwd: places.results,
      network: 'none',
      wallMs: timeoutSeconds * 1000,
      signal,
      onOutput: (stream, chunk) => lines[stream].write(chunk),
    })
    lines.stdout.end()
    lines.stderr.end()
    if (exit.reason === 'lost' || exit.reason === 'cancelled') {
      throw new AppError('sandbox_unavailable', `The check was stopped (${exit.reason})`)
    }
    const ending =
      exit.reason === 'exit' ? '' : `${endings[exit.reason]}\n`.replace('{seconds}', String(timeoutSeconds))
    return {
      passed: exit.reason === 'exit' && exit.code === 0,
      kind: 'command',
      output: `${scrub(output.text())}${ending}`, // scrubbed again: a secret may span lines
      // A command that is killed has an exit code of its own now and then, which says nothing of the check.
      exit_code: exit.reason === 'timed_out' ? null : exit.code,
      score: null,
    }
  } finally {
    await place.destroy()
  }
}

const endings = {
  timed_out: 'The check timed out after {seconds} s.',
  out_of_memory: 'The check exceeded its memory limit.',
  disk_full: 'The check exceeded its disk limit.',
  output_limit: 'The check exceeded its output limit.',
} as const
