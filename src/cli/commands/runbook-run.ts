import { type Command, Option } from 'commander'
import { AppError } from '../../lib/errors.ts'
import { collect } from '../input/inputs.ts'
import type { LocalOptions } from '../runbooks/runbook-locally.ts'
import { addLimitOptions, addRunbookOptions, sandboxOption } from '../runbooks/runbook-options.ts'
import type { RemoteOptions } from '../runbooks/runbook-remotely.ts'
import { type Session, withSession } from '../session.ts'

type RunOptions = LocalOptions & RemoteOptions & { local?: boolean; remote?: boolean }

/** `jetty runbook run`. */
export const registerRunbookRun = (runbook: Command): void => {
  const run = runbook
    .command('run <file>')
    .description('Carry out a runbook with a coding agent in a sandbox, here or on a server, and fetch the results')
    .addOption(new Option('--local', 'on this machine; needs no server').conflicts(['remote', 'collection', 'task']))
    .addOption(new Option('--remote', 'on a server, as a run of a task').conflicts(['sandbox']))
  addRunbookOptions(run)
    .option('-f, --file <path>', 'input file; a zip archive is unpacked below /app/assets', collect)
    .option('--secret <NAME>', 'secret for this run only, read from the environment variable NAME', collect)
  addLimitOptions(run)
    .option('--results <folder>', 'folder for the results; an existing folder is moved aside', './results')
    .option('--force', 'overwrite files in the results folder instead')
    .option('--events', 'print each event as a line of JSON as it happens, and the outcome as the last line')
    .addOption(sandboxOption())
    .option(
      '-c, --collection <collection>',
      'with --remote: collection to run in (default: the home collection of your key)',
    )
    .option('-t, --task <task>', 'with --remote: the task of the run; created if it does not exist')
    .option('--detach', 'with --remote: start the run and exit')
    .addHelpText(
      'after',
      `
It runs on this machine where nothing else is said; --remote, --collection or --task mean a server. The exit code is 0
only where it succeeded: 1 where it failed, 2 where something is missing, which is asked for on a terminal.

On this machine secrets come from the environment, then from .env in this folder and beside the file.

Examples:
  jetty runbook run RUNBOOK.md --agent scripted            no key, no server, no network: runs its sh and bash blocks
  jetty runbook run RUNBOOK.md --local -p subject="Flood walls" -f minutes.pdf
  ANTHROPIC_API_KEY=… jetty runbook run RUNBOOK.md --results out --timeout 600
  jetty runbook run RUNBOOK.md --remote -c acme -t report -p subject="Flood walls"
  jetty runbook run RUNBOOK.md --events | jq -r 'select(.type == "tool_call").name'`,
    )
    .action(withSession<RunOptions, [string]>((session, [file], options) => act(session, file, options)))
}

const act = async (session: Session, file: string, options: RunOptions): Promise<void> => {
  const isRemote = options.remote || options.collection !== undefined || options.task !== undefined
  if (isRemote) {
    if (options.sandbox) throw aboutSandbox()
    return (await import('../runbooks/runbook-remotely.ts')).runRemotely(session, file, options)
  }
  if (options.detach) {
    throw new AppError('invalid', '--detach needs --remote: a local run ends with this command')
  }
  return (await import('../runbooks/runbook-locally.ts')).runLocally(session, file, options)
}

const aboutSandbox = (): AppError =>
  new AppError('invalid', '--sandbox is only for local runs; a server uses its own setting JETTY_SANDBOX', {
    hint: 'Leave out --collection and --task, or --sandbox.',
  })
