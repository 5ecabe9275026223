import type { Command } from 'commander'
import { AppError } from '../../lib/errors.ts'
import { exitCodes, reportError } from '../exit.ts'

/** `jetty serve`. The server is loaded when it is started; the settings only to show them. */
export const registerServe = (program: Command): void => {
  const serve = program
    .command('serve')
    .description('Start the server; Ctrl-C drains running steps and stops it')
    .option('--settings', 'list the settings, all of them environment variables, and stop')
    .addHelpText(
      'after',
      `
Everything is set by environment variables, and nothing has to be: jetty serve --settings lists them.

Examples:
  jetty serve
  JETTY_PORT=8080 JETTY_DATA_DIR=/var/lib/jetty jetty serve
  DATABASE_URL=postgres://jetty:password@db/jetty JETTY_ROLE=worker jetty serve`,
    )
  serve.action(async (options: { settings?: boolean }) => {
    if (options.settings) {
      const { settingsText } = await import('../serve/settings-text.ts')
      process.stdout.write(settingsText())
      return
    }
    await (await import('../serve/serve.ts')).serve(process.env).catch((error) => {
      const code = reportError(error)
      process.exitCode = error instanceof AppError && error.code === 'invalid' ? code : exitCodes.failed
    })
  })
}
