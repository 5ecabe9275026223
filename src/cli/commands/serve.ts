import type { Command } from 'commander'
import { AppError } from '../../lib/errors.ts'
import { exitCodes, reportError } from '../exit.ts'
import type { Globals } from '../session.ts'

/** `jetty serve`. The server is loaded when it is started; the settings only to show them. */
export const registerServe = (program: Command): void => {
  const serve = program
    .command('serve')
    .description('Start the server; Ctrl-C lets running steps finish and stops it')
    .option('--port <port>', 'port to listen on, instead of JETTY_PORT; 0 picks a free port')
    .option('--data-dir <folder>', 'folder for all data, instead of JETTY_DATA_DIR')
    .option('--settings', 'list the settings, all of them environment variables, and exit')
    .addHelpText(
      'after',
      `
All other settings are optional environment variables; list them with: jetty serve --settings

Examples:
  jetty serve
  jetty serve --port 8080 --data-dir /var/lib/jetty
  DATABASE_URL=postgres://jetty:password@db/jetty JETTY_ROLE=worker jetty serve`,
    )
  serve.action(async ({ settings, port, dataDir }: { settings?: boolean; port?: string; dataDir?: string }) => {
    if (settings) {
      const { settingsText } = await import('../serve/settings-text.ts')
      process.stdout.write(settingsText())
      return
    }
    const env = {
      ...process.env,
      ...(port === undefined ? {} : { JETTY_PORT: port }),
      ...(dataDir === undefined ? {} : { JETTY_DATA_DIR: dataDir }),
    }
    await (await import('../serve/serve.ts')).serve(env).catch((error) => {
      const code = reportError(error, serve.optsWithGlobals<Globals>().json)
      process.exitCode = error instanceof AppError && error.code === 'invalid' ? code : exitCodes.failed
    })
  })
}
