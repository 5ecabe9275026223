import { type Command, Option } from 'commander'
import pc from 'picocolors'
import type { RunbookPreflight } from '../../model/runbooks/runbook-request.ts'
import { exitCodes } from '../exit.ts'
import { collect, readInputText } from '../input/inputs.ts'
import { preflightText, withCommands } from '../runbooks/preflight-text.ts'
import { addRunbookOptions, type RunbookOptions, runbookRequest, sandboxOption } from '../runbooks/runbook-options.ts'
import { type Session, withSession } from '../session.ts'
import { safe } from '../show/output.ts'

interface CheckOptions extends RunbookOptions {
  local?: boolean
  collection?: string
  file?: string[]
  secret?: string[]
}

/** `jetty runbook check`. */
export const registerRunbookCheck = (runbook: Command): void => {
  const check = runbook
    .command('check <file>')
    .description('Check everything that a runbook needs; starts nothing')
    .addOption(new Option('--local', 'on this machine; needs no server').conflicts('collection'))
    .option('-c, --collection <collection>', 'on a server, with the keys and secrets of this collection')
  addRunbookOptions(check)
    .option('-f, --file <path>', 'input file of the run', collect)
    .option('--secret <NAME>', 'secret of the run, read from the environment variable NAME', collect)
    .addOption(sandboxOption())
    .addHelpText(
      'after',
      `
It looks on this machine where no collection is named. It ends with 1 where something keeps it from being begun.

Examples:
  jetty runbook check RUNBOOK.md
  jetty runbook check RUNBOOK.md --collection acme -p subject="Flood walls"
  jetty runbook check RUNBOOK.md --json | jq -r '.checks[] | select(.state == "failed").fix'`,
    )
    .action(withSession<CheckOptions, [string]>((session, [file], options) => act(session, file, options)))
}

const act = async (session: Session, file: string, options: CheckOptions): Promise<void> => {
  const found =
    options.collection === undefined
      ? await checkHere(file, options)
      : await (await import('../runbooks/runbook-remotely.ts')).checkRemotely(
          session,
          file,
          options.collection,
          options,
        )
  session.out.answer(found, () => `${preflightText(found.checks)}\n${verdict(file, found)}`)
  if (!found.ready) process.exitCode = exitCodes.failed
}

const verdict = (file: string, { ready, checks }: RunbookPreflight): string => {
  const failed = checks.filter(({ state }) => state === 'failed').length
  return ready
    ? pc.green(`${safe(file)} is ready to run`)
    : pc.red(`${safe(file)} is not ready to run: ${failed} to fix`)
}

const checkHere = async (file: string, options: CheckOptions): Promise<RunbookPreflight> => {
  const { openHere, placeHere, requireFile } = await import('../runbooks/runbook-locally.ts')
  const { readLocalVariables } = await import('../runbooks/local-variables.ts')
  const inputs = (options.file ?? []).map(requireFile)
  const request = await runbookRequest(readInputText(file), options, inputs)
  const runbooks = await openHere(options.sandbox)
  try {
    return withCommands(
      await runbooks.preflight(request, placeHere(readLocalVariables(file), options.secret ?? [], inputs)),
    )
  } finally {
    await runbooks.close()
  }
}
