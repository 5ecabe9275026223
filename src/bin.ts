#!/usr/bin/env node
/** The one executable: `jetty serve`. */
import { Command } from 'commander'
import { serve } from './cli/serve.ts'
import { settingsHelp } from './cli/settings-help.ts'
import { AppError } from './lib/errors.ts'
import { version } from './lib/version.ts'

const program = new Command('jetty')
  .description('Runs AI work that must not be lost and must not be lied about.')
  .version(version)
  .showHelpAfterError('Try: jetty --help')
  .exitOverride()

program
  .command('serve', { isDefault: true })
  .description('Start the server; Ctrl-C drains running steps and stops it')
  .addHelpText('after', () => settingsHelp())
  .action(serve)

try {
  await program.parseAsync()
} catch (error) {
  process.exit(report(error)) // not just an exit code: what a failed start has left open must not keep the process
}

/** The one place where the process ends with an error: a sentence, what to do, and an exit code. */
function report(error: unknown): number {
  if (error instanceof Error && 'exitCode' in error && 'code' in error && String(error.code).startsWith('commander.')) {
    return error.exitCode === 0 ? 0 : 2
  }
  const known = error instanceof AppError
  process.stderr.write(`jetty: ${known ? error.message : error instanceof Error ? error.stack : String(error)}\n`)
  if (known && error.hint) process.stderr.write(`  ${error.hint}\n`)
  return known && error.code === 'invalid' ? 2 : 1
}
